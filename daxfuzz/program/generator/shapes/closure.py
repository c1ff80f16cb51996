"""Files whose last users leave while much is in use, or while all is written back."""

from __future__ import annotations

from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import REFLINK, draw_machine
from daxfuzz.program.generator.tasks import draw_tasks, leave_unlinked, name_tasks


def draw_closure(rng: Random, filesystem: str) -> Program:
    """Who takes a file's name away, and others, who freeze the file system or have pages of the file in use."""
    machine = draw_machine(rng, filesystem)
    others = rng.choice((["freezer"], ["freezer", "mapper"], ["pinner"], ["retainer"], ["retainer", "pinner"]))
    if filesystem in REFLINK and rng.random() < 0.4:
        # Frees the blocks of what is gone.
        others = [*others, "worker"]
    names = name_tasks(["evictor", *others])
    # Nobody shares a process, since what its threads use is given up only when all of them are done.
    spaces: dict[str, tuple[str, ...]] = {f"mm{i}": (name,) for i, name in enumerate(names)}
    return leave_unlinked(draw_tasks(rng, machine, {"file0": rng.choice((1, 2, 2, 4))}, spaces))
