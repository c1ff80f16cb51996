"""A file that everybody syncs while its blocks go."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_address_spaces, draw_tasks, name_tasks


def draw_storm(rng: Random, filesystem: str) -> Program:
    """A file of some dirty pages, as many who sync it as there may be, and somebody who takes its blocks away."""
    machine = draw_machine(rng, filesystem)
    names = name_tasks(["flusher", "flusher", "flusher", "emptier"])
    spaces = {"mm0": tuple(names[:3]), "mm1": (names[3],)} if rng.random() < 0.75 else draw_address_spaces(rng, names)
    program = draw_tasks(rng, machine, {"file0": rng.choice((3, 4, 4))}, spaces)
    return replace(program, setup=replace(program.setup, prefault=True, huge=False))
