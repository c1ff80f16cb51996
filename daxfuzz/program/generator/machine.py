"""Scale and hardware of generated programs."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.kernel.machine import Machine, TlbMode

REFLINK = ("xfs",)
"""File systems whose files can share blocks."""
NO_REVERSE_MAP = 0.5
"""How many programs that lose memory do so on an xfs that cannot tell whose it was."""


def draw_machine(rng: Random, filesystem: str = "ext4") -> Machine:
    """Scale and hardware."""
    machine = Machine(
        bias=rng.choice((4, 4, 8, 1024)),
        tlb=rng.choice((TlbMode.IPI, TlbMode.IPI, TlbMode.BROADCAST)),
        wait_buckets=rng.choice((1, 2, 4)),
        pmd_pages=rng.choice((2, 2, 2, 4)),
        merge_vmas=rng.random() < 0.75,
        xa_check_sched=rng.choice((1, 2, 4096, 4096)),
        spare_blocks=rng.choice((1, 1, 1, 1, 1, 1, 0, -1)),
        ram_pages=rng.choice((0, 0, 0, 0, 0, 1, 2, 3)),
    )
    if filesystem in REFLINK:
        # Copies need blocks of their own.
        machine = replace(machine, spare_blocks=rng.choice((1, 1, 1, 0, -1)))
    if filesystem == "fuse":
        # Few ranges, so that files take them from each other.
        machine = replace(machine, window_ranges=rng.choice((1, 1, 2, 3)))
    return machine
