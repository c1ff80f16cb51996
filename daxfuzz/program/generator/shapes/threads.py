"""A mapping that one thread of a process uses and another one changes."""

from __future__ import annotations

from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_tasks, leave_unlinked, name_tasks

MOVED = 0.3
"""How many of these programs are about nothing but a mapping that moves while the file is emptied."""


def draw_threads(rng: Random, filesystem: str) -> Program:
    """Two threads that share a mapping, and a process that mostly takes the blocks behind it away."""
    machine = draw_machine(rng, filesystem)
    if rng.random() < MOVED:
        names = name_tasks([rng.choice(("toucher", "toucher", "pinner")), "mover", "emptier"])
    else:
        names = draw_names(rng)
    spaces: dict[str, tuple[str, ...]] = {"mm0": (names[0], names[1]), "mm1": (names[2],)}
    return leave_unlinked(draw_tasks(rng, machine, {"file0": rng.choice((1, 1, 1, 2))}, spaces))


def draw_names(rng: Random) -> list[str]:
    """Who uses the mapping, who changes it, and a third one."""
    user = rng.choice(("toucher", "toucher", "mapper", "pinner"))
    other = rng.choice((*("truncator",) * 5, "evictor", "syncer", "toucher"))
    return name_tasks([user, "changer", other])
