"""A mapping that one thread of a process uses and another one changes."""

from __future__ import annotations

from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_tasks, leave_unlinked, name_tasks


def draw_threads(rng: Random, filesystem: str) -> Program:
    """Two threads that share a mapping, and a process that mostly takes the blocks behind it away."""
    machine = draw_machine(rng, filesystem)
    user = rng.choice(("toucher", "toucher", "mapper", "pinner"))
    other = rng.choice((*("truncator",) * 5, "evictor", "syncer", "toucher"))
    names = name_tasks([user, "changer", other])
    spaces: dict[str, tuple[str, ...]] = {"mm0": (names[0], names[1]), "mm1": (names[2],)}
    return leave_unlinked(draw_tasks(rng, machine, {"file0": rng.choice((1, 1, 1, 2))}, spaces))
