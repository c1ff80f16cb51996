"""N-240: fsync does not see that an entry which is gone may still be written through."""

from __future__ import annotations

from daxfuzz.kernel.dax_writeback import DaxWriteback
from daxfuzz.kernel.mm import Vma, VmFlag
from daxfuzz.protocols.patch import Repair


class FixMkcleanFlushes(Repair):
    """Flush what a file page is mapped with if somebody else has cleared an entry of the mm and not flushed yet.

    A zap (truncate, punch, munmap) clears a dirty entry and flushes at its end. fsync comes in between, finds no entry
    to write-protect, flushes no translation, and clears the DIRTY mark of an entry that stays. A store through the old
    translation then raises no fault, and no later fsync writes it: truncate of another page of the file is enough,
    since the search for busy pages unmaps all of it. For ordinary pages zap_pte_range flushes under the lock if the
    entry was dirty, since 1cf35d47712d; in v6.0 it does not look at those of devices (vm_normal_page). v6.15 and later
    have ordinary pages, but zap_huge_pmd never flushes there. The repair looks at tlb_flush_pending, as others do who
    find nothing where a flush may be due (mm_tlb_flush_pending). Nothing upstream.
    """

    flaw = "N-240"

    class dax_writeback(DaxWriteback):
        async def pfn_mkclean_range(self, vma: Vma, pfn: int, pages: int, index: int) -> None:
            await super().pfn_mkclean_range(vma, pfn, pages, index)
            addresses = vma.addresses(index, index + pages - 1)
            if addresses and vma.flags & VmFlag.SHARED and await vma.mm.tlb_flush_pending.read():
                await self.k.tlb.flush_tlb_mm_range(vma.mm, list(addresses))
