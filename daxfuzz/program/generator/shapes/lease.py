"""Leases of files that are about to share blocks, or to change."""

from __future__ import annotations

from random import Random

from daxfuzz.program.case import Program, Setup
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_address_spaces, draw_calls, name_tasks, others_first

OTHER_FILE = 0.4
"""How many clients mostly lease the second file."""


def draw_lease(rng: Random, filesystem: str) -> Program:
    """Clients that take leases, and who lets files share blocks, or changes them otherwise."""
    machine = draw_machine(rng, filesystem)
    changer = rng.choice(("cloner", "cloner", "cloner", "truncator", "writer"))
    names = name_tasks(["leaser", changer, *rng.choice(((), (), ("leaser",), ("truncator",), ("writer",)))])
    files = {"file0": rng.choice((1, 1, 2)), "file1": 1}
    spaces = draw_address_spaces(rng, names)
    tasks = {}
    for name in names:
        prefers = others_first(files) if name.startswith("leaser") and rng.random() < OTHER_FILE else files
        tasks[name] = draw_calls(rng, machine, prefers, spaces, names, name)
    return Program(tasks, Setup(files, spaces, prefault=rng.random() < 0.5, huge=rng.random() < 0.5), machine)
