"""Two files in use that share blocks, or get to."""

from __future__ import annotations

from random import Random

from daxfuzz.program.case import Program, Setup
from daxfuzz.program.generator.low_memory import LOW_MEMORY, with_low_memory
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_address_spaces, draw_calls, name_tasks, others_first

USERS = ("keeper", "keeper", "saver", "sender", "sender", "pinner")
"""Who uses a file, so that its pages are busy or its blocks have to be copied."""
LAST = ("cloner", "cloner", "unbinder", "truncator", "signaller", "keeper")
"""Who may come to it as well."""
OTHER_FILE = 0.5
"""How many tasks mostly use the second file."""
TOGETHER = 0.6
"""How many of these programs have all tasks mostly use one file."""


def draw_sharing(rng: Random, filesystem: str) -> Program:
    """Users of both files, who lets these share blocks or removes the device, and perhaps somebody else."""
    machine = draw_machine(rng, filesystem)
    roles = [rng.choice(USERS), rng.choice(USERS), rng.choice(("cloner", "cloner", "cloner", "unbinder"))]
    names = name_tasks(roles + rng.choice(([], [rng.choice(LAST)])))
    files = {name: rng.choice((1, 1, machine.pmd_pages)) for name in ("file0", "file1")}
    spaces = draw_address_spaces(rng, names)
    tasks = {}
    together = rng.random() < TOGETHER
    other = rng.random() < OTHER_FILE
    for name in names:
        other = other if together else rng.random() < OTHER_FILE
        prefers = others_first(files) if other else files
        tasks[name] = draw_calls(rng, machine, prefers, spaces, names, name)
    clones = {"file1": "file0"} if "cloner" not in names or rng.random() < 0.4 else {}
    setup = Setup(files, spaces, prefault=rng.random() < 0.75, huge=rng.random() < 0.5, clones=clones)
    program = Program(tasks, setup, machine)
    return with_low_memory(rng, program) if rng.random() < LOW_MEMORY else program
