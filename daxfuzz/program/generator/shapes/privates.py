"""A private mapping that the threads of a process use and forget."""

from __future__ import annotations

from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_tasks, name_tasks


def draw_privates(rng: Random, filesystem: str) -> Program:
    """A process that gets copies of pages while one of its threads forgets them, and perhaps another one."""
    machine = draw_machine(rng, filesystem)
    names = name_tasks(["owner", "sharer", rng.choice(("sharer", "sharer", "thread", "truncator"))])
    together = not names[2].startswith("truncator")
    spaces = {"mm0": tuple(names)} if together else {"mm0": (names[0], names[1]), "mm1": (names[2],)}
    return draw_tasks(rng, machine, {"file0": rng.choice((1, 1, 1, 2))}, spaces)
