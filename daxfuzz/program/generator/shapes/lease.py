"""Leases of files that are about to share blocks."""

from __future__ import annotations

from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_address_spaces, draw_tasks, name_tasks


def draw_lease(rng: Random, filesystem: str) -> Program:
    """Clients that take leases, who lets files share blocks, and perhaps who changes them otherwise."""
    machine = draw_machine(rng, filesystem)
    names = name_tasks(["leaser", "cloner", *rng.choice(((), (), ("leaser",), ("truncator",), ("writer",)))])
    return draw_tasks(rng, machine, {"file0": rng.choice((1, 1, 2)), "file1": 1}, draw_address_spaces(rng, names))
