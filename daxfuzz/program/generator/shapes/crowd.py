"""One page that all tasks are after."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.program.case import Call, Program
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import (
    alike,
    draw_address_spaces,
    draw_files,
    draw_tasks,
    leave_unlinked,
    name_tasks,
)

ALIKE = 0.5
"""How many crowds have members that all do the same, so that several wait for one thing."""
UNWRITTEN = 0.3
"""How many crowds have one who first makes the blocks of the file unwritten, neither holes nor data."""


def draw_crowd(rng: Random, filesystem: str) -> Program:
    """One small file, and as many tasks as there may be, each with hardly more than one call."""
    machine = draw_machine(rng, filesystem)
    files = draw_files(rng, filesystem, 1)
    files = {name: min(pages, machine.pmd_pages) for name, pages in files.items()}
    # Whoever opens a file of virtio-fs looks at all of its entries.
    others = ("visitor", "looker", "looker") if filesystem == "fuse" else ("visitor",)
    last = rng.choice((*others * 3, "evictor", "evictor", "truncator", "mapper"))
    roles = ["visitor", *(rng.choice(others) for _ in range(rng.choice((1, 2, 2, 2)))), last]
    names = name_tasks(roles)
    rng.shuffle(names)
    spaces = draw_address_spaces(rng, names)
    program = draw_tasks(rng, machine, files, spaces)
    if rng.random() < ALIKE:
        program = alike(program, *rng.sample(names, 2))
    if rng.random() < UNWRITTEN:
        mode = rng.choice(("ALLOCATE", "ZERO_RANGE"))
        first = Call("fallocate", ("file0", mode, 0, files["file0"]))
        program = begin(program, rng.choice(names), first)
    return leave_unlinked(program) if rng.random() < 0.7 else program


def begin(program: Program, name: str, call: Call) -> Program:
    """The same, but one task makes another call first."""
    return replace(program, tasks={**program.tasks, name: (call, *program.tasks[name])})
