"""A file whose pages move, down and up."""

from __future__ import annotations

from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_address_spaces, draw_tasks, name_tasks

USERS = ("pinner", "mapper", "syncer", "writer", "toucher")
"""Who uses the file meanwhile."""


def draw_shifts(rng: Random, filesystem: str) -> Program:
    """A file of several pages, who moves them, and one or two who use it."""
    machine = draw_machine(rng, filesystem)
    names = name_tasks(["shifter", *(rng.choice(USERS) for _ in range(rng.choice((1, 1, 2))))])
    rng.shuffle(names)
    return draw_tasks(rng, machine, {"file0": rng.choice((3, 4, 4))}, draw_address_spaces(rng, names))
