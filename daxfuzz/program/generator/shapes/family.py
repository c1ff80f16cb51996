"""A process whose threads touch private pages, and fork."""

from __future__ import annotations

from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_tasks, name_tasks


def draw_family(rng: Random, filesystem: str) -> Program:
    """A process of two threads, one of which forks, and what it forks."""
    machine = draw_machine(rng, filesystem)
    names = name_tasks(["parent", "thread", rng.choice(("thread", "visitor", "copier", "truncator"))])
    spaces = {"mm0": (names[0], names[1]), "mm1": (names[2],)}
    files = {"file0": rng.choice((1, 1, 1, 2, 2, 4))}
    return draw_tasks(rng, machine, files, spaces)
