"""The machine a kernel runs on: scale and hardware behaviour, no protocol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GUP_PIN_COUNTING_BIAS = 1024
"""include/linux/mm.h"""


class TlbMode(StrEnum):
    """How a processor makes the others drop a translation."""

    IPI = "ipi"
    """x86: an interrupt to each; it waits for sections with interrupts off."""
    BROADCAST = "broadcast"
    """arm64, x86 INVLPGB: one instruction; it waits for nobody's interrupts."""


class Align(StrEnum):
    """What a character device is aligned to: the only size of its faults, and that of its compound pages."""

    PAGE = "page"
    PMD = "pmd"
    PUD = "pud"

    def pages(self, machine: Machine) -> int:
        """The same as a number of pages."""
        if self is Align.PAGE:
            return 1
        return machine.pmd_pages if self is Align.PMD else machine.pud_pages


@dataclass(frozen=True, slots=True)
class Machine:
    """Configuration.

    bias: GUP_PIN_COUNTING_BIAS; smaller ones need fewer references for the same effects.
    tlb: shoot-down mode.
    wait_buckets: queues in each hashed wait table (the kernel has 4096 for entries and 256 for variables).
    merge_vmas: MMU_GATHER_MERGE_VMAS: munmap flushes once at its end (x86, powerpc, s390), not per VMA (arm64).
    pmd_pages: pages that a PMD entry maps, a power of two (x86: 512).
    xa_check_sched: entries a walk scans before it drops the lock for a moment (XA_CHECK_SCHED).
    window_ranges: ranges of pmd_pages in the DAX window of a virtio-fs device; other devices have none.
    low_memory: memory is short: who allocates some has to reclaim other memory first.
    spare_blocks: blocks of a device with a file system beside one for each page of all files; negative: some miss.
    ram_pages: pages of memory for private mappings; 0 for as many as the program can use.
    rmapbt: xfs keeps reverse mappings, which tell whose the blocks that fail are (mkfs.xfs -m rmapbt).
    """

    bias: int = GUP_PIN_COUNTING_BIAS
    tlb: TlbMode = TlbMode.IPI
    wait_buckets: int = 2
    pmd_pages: int = 2
    xa_check_sched: int = 4096
    merge_vmas: bool = True
    window_ranges: int = 2
    low_memory: bool = False
    spare_blocks: int = 1
    ram_pages: int = 0
    rmapbt: bool = True

    @property
    def pud_pages(self) -> int:
        """Pages that a PUD entry maps: two PMDs' worth."""
        return 2 * self.pmd_pages
