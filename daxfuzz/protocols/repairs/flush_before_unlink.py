"""F-10: munmap unlinks a VMA from the file before it flushes the TLB."""

from __future__ import annotations

from daxfuzz.kernel.tlb import MmuGather, TlbFlush
from daxfuzz.protocols.patch import Repair


class FixFlushBeforeUnlink(Repair):
    """Flush the TLB at the end of each VMA's entries, before the VMA leaves i_mmap.

    Between unlink and flush another thread of the mm could use a stale translation of a block that truncate, which
    finds no VMA to flush for, has freed. Upstream flushes early for VM_PFNMAP and VM_MIXEDMAP VMAs only
    (b67fbebd4cf9, v5.19), which ext4's DAX mappings are not; since v6.15 the gather holds page references instead.
    """

    flaw = "F-10"

    class tlb(TlbFlush):
        async def tlb_end_vma(self, tlb: MmuGather) -> None:
            await self.tlb_flush_mmu_tlbonly(tlb)
