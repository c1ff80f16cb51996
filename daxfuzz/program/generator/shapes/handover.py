"""A file that gets the blocks which another one gives back."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.kernel.machine import TlbMode
from daxfuzz.program.case import Program, Setup
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_address_spaces, draw_calls, leave_unlinked, name_tasks, others_first


def draw_handover(rng: Random, filesystem: str) -> Program:
    """Two files and hardly a block for both: who uses one file, who gives its blocks back, who has the other grow."""
    # An IPI waits for whoever walks page tables without a lock, so that they see nothing of a handover.
    tlb = rng.choice((TlbMode.BROADCAST, TlbMode.BROADCAST, TlbMode.IPI))
    machine = replace(draw_machine(rng, filesystem), tlb=tlb, spare_blocks=rng.choice((0, -1, -1, -1)))
    files = {"file0": rng.choice((1, *[machine.pmd_pages] * 4)), "file1": 1}
    names = name_tasks(["keeper", "giver", "taker", *rng.choice(((), (), (), ("keeper",)))])
    rng.shuffle(names)
    spaces = draw_address_spaces(rng, names)
    tasks = {}
    for name in names:
        prefers = others_first(files) if name == "taker" else files
        tasks[name] = draw_calls(rng, machine, prefers, spaces, names, name)
    setup = Setup(files, spaces, prefault=rng.random() < 0.2, huge=rng.random() < 0.8)
    return leave_unlinked(Program(tasks, setup, machine))
