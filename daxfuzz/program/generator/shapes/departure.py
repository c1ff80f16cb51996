"""A file that goes away while somebody comes to it who does not keep it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import NO_REVERSE_MAP, REFLINK, draw_machine
from daxfuzz.program.generator.tasks import draw_files, draw_tasks, leave_unlinked, name_tasks


def draw_departure(rng: Random, filesystem: str) -> Program:
    """A file that its last users leave, and somebody who comes to it without keeping it."""
    machine = draw_machine(rng, filesystem)
    if filesystem in REFLINK and rng.random() < NO_REVERSE_MAP:
        machine = replace(machine, rmapbt=False)
    more = rng.choice(((), (), ("leaver",), ("visitor",), ("stranger",), ("mapper",)))
    names = name_tasks(["leaver", "stranger", *more])
    # Nobody shares a process, since what its threads use is given up only when all of them are done.
    spaces: dict[str, tuple[str, ...]] = {f"mm{i}": (name,) for i, name in enumerate(names)}
    program = leave_unlinked(draw_tasks(rng, machine, draw_files(rng, filesystem, 1), spaces))
    return replace(program, setup=replace(program.setup, prefault=rng.random() < 0.75))
