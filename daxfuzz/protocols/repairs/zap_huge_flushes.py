"""N-320: munmap of a PMD leaves the file's tree before it flushes (zap_huge_pmd, v6.15 to v6.19)."""

from __future__ import annotations

from daxfuzz.kernel.tlb import MmuGather
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.refcount_zero.counted_pages import ProperlyRefcountFsDaxPages


class FixZapHugeFlushes(Repair):
    """Flush a PMD entry that was cleared before its VMA can leave i_mmap.

    Nobody else finds the VMA then: fsync write-protects and flushes nothing, and takes the DIRTY mark of the entry
    away. A store of another thread through the old translation raises no fault, and no later fsync writes it. For
    entries of pages zap_pte_range flushes under the lock if they were dirty; zap_huge_pmd does not, and tlb_free_vmas
    flushes for VM_PFNMAP and VM_MIXEDMAP only, which DAX has lost in v6.15. Before that it is a part of F-10. Nothing
    upstream.
    """

    flaw = "N-320"

    class huge_memory(ProperlyRefcountFsDaxPages.huge_memory):
        async def zap_huge_pmd(self, tlb: MmuGather, address: int) -> bool:
            zapped = await super().zap_huge_pmd(tlb, address)
            if zapped:
                await self.k.tlb.tlb_flush_mmu_tlbonly(tlb)
            return zapped
