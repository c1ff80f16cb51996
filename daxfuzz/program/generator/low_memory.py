"""Programs where memory is short."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.generator.roles import ROLES
from daxfuzz.program.generator.tasks import MAX_TASKS, others_first

LOW_MEMORY = 0.12
"""How many programs run where memory is short."""


def with_low_memory(rng: Random, program: Program) -> Program:
    """The program where memory is short, with a task more that makes it matter, if there is room for one."""
    machine = replace(program.machine, low_memory=True)
    tasks, setup = dict(program.tasks), program.setup
    if len(tasks) < MAX_TASKS:
        files = dict(setup.files)
        if rng.random() < 0.85:
            # Reclaim looks at files that nobody uses, so one more than what the others use.
            files[f"file{len(files)}"] = files["file0"]
        # Who keeps a range of a window can use another file only with another range.
        machine = replace(machine, window_ranges=max(machine.window_ranges, 2))
        tasks["hoarder"] = ROLES["hoarder"](Draft(rng, machine, others_first(files), list(tasks), []))
        setup = replace(setup, files=files, mms={**setup.mms, f"mm{len(setup.mms)}": ("hoarder",)})
    return Program(tasks, setup, machine)
