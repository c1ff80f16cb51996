"""A huge page of which a snapshot shares a part, or all."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.program.case import Program, Setup
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_address_spaces, draw_calls, name_tasks, others_first

WHOLE = 0.45
"""How many snapshots are there from the beginning."""


def draw_snapshot(rng: Random, filesystem: str) -> Program:
    """A file of one huge page that is in use while another file gets to share a page of it, or does so already."""
    machine = draw_machine(rng, filesystem)
    if rng.random() < WHOLE:
        machine = replace(machine, rmapbt=rng.random() < 0.25)
        names = name_tasks(["editor", "stranger", *rng.choice(((), ("editor",), ("writer",)))])
        files = {name: rng.choice((1, machine.pmd_pages)) for name in ("file0", "file1")}
        setup = Setup(files, draw_address_spaces(rng, names), huge=rng.random() < 0.5, clones={"file1": "file0"})
    else:
        names = ["archivist", "editor", "restorer"]
        files = {"file0": machine.pmd_pages, "file1": rng.choice((1, machine.pmd_pages))}
        together = rng.random() < 0.7
        spaces = (("archivist", "editor"), ("restorer",)) if together else (("archivist",), ("editor",), ("restorer",))
        mms = {f"mm{i}": members for i, members in enumerate(spaces)}
        setup = Setup(files, mms, prefault=rng.random() < 0.9, huge=rng.random() < 0.9)
    tasks = {}
    for name in names:
        prefers = others_first(files) if setup.clones and not name.startswith("stranger") else files
        tasks[name] = draw_calls(rng, machine, prefers, setup.mms, names, name)
    return Program(tasks, setup, machine)
