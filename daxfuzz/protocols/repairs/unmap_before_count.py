"""N-42: an unmap does not wait for another one that has cleared a PMD entry and not counted it down yet."""

from __future__ import annotations

from daxfuzz.kernel.tlb import MmuGather
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.refcount_zero.counted_pages import ProperlyRefcountFsDaxPages
from daxfuzz.protocols.repairs.move_holds_rmap import FixMoveHoldsRmap


class FixUnmapBeforeCount(Repair):
    """Take and drop the PMD lock where a whole PMD has no entry, and the PUD lock where a PUD has none.

    v6.15 to v6.19, zap_pmd_range: munmap clears a PMD entry under the PMD lock, and is about to drop the map count
    there. truncate looks at the entry without the lock, finds none, and goes on to scan: the folio has one reference
    and one mapping, so it is idle. It is split with a reference (WARN_ON_ONCE in dax_folio_put) and freed, and the
    map count of what becomes of its first page is off for a while. The kernel takes the lock for that very reason
    when it unmaps a single folio (details->single_folio), not when it unmaps a range of a file. A page table's
    entries are looked at under its lock.

    The wait also ends what mremap does while an entry moves (N-110).
    """

    flaw = "N-42"
    supersedes = (FixMoveHoldsRmap,)

    class memory(ProperlyRefcountFsDaxPages.memory):
        async def zap_pmd_range(self, tlb: MmuGather, addresses: range, even_cows: bool) -> None:
            await super().zap_pmd_range(tlb, addresses, even_cows)
            if await tlb.mm.pmd(addresses.start).read() is None:
                await tlb.mm.pmd_lock.acquire()
                await tlb.mm.pmd_lock.release()

        async def zap_pud_range(self, tlb: MmuGather, addresses: range) -> None:
            pages = tlb.mm.pud_pages
            await super().zap_pud_range(tlb, addresses)
            for address in range(addresses.start - addresses.start % pages, addresses.stop, pages):
                if await tlb.mm.pud(address).read() is None:
                    await tlb.mm.pud_lock.acquire()
                    await tlb.mm.pud_lock.release()
