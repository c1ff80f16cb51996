"""fsync of DAX files (fs/dax.c, dax_writeback_mapping_range and below, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.dax import WakeMode
from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.kernel.xarray import Mark, XaState

if TYPE_CHECKING:
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import AddressSpace
    from daxfuzz.kernel.mm import Vma

EIO = 5


class DaxWriteback(Subsystem):
    """Lock each dirty entry, write-protect all its mappings, flush, unlock. Takes no lock of the inode."""

    async def dax_writeback_mapping_range(self, mapping: AddressSpace, first: int, last: int) -> int:
        """Write the dirty entries of a range back: 0 or a negative error."""
        i_pages = mapping.i_pages
        if await i_pages.empty():
            return 0
        await i_pages.lock.acquire()
        await i_pages.tag_for_writeback(first, last)
        await i_pages.lock.release()
        xas = XaState(i_pages, first)
        error = 0
        scanned = 0
        await i_pages.lock.acquire()
        while not error and (entry := await xas.find(last, Mark.TOWRITE)) is not None:
            error = await self.dax_writeback_one(mapping, xas, entry)
            scanned += 1
            if scanned % self.k.machine.xa_check_sched == 0:
                xas.pause()
                await i_pages.lock.release()
                await i_pages.lock.acquire()
        await i_pages.lock.release()
        return error

    async def dax_writeback_one(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> int:
        """Write one entry back; xa_lock is held on entry and return, but dropped in between."""
        i_pages = mapping.i_pages
        if entry.locked:
            unlocked = await self.k.dax.get_unlocked_entry(mapping, xas)
            error, write = await self.still_to_write(mapping, xas, entry, unlocked)
            if unlocked is None or not write:
                await self.k.dax.put_unlocked_entry(mapping, xas, unlocked, WakeMode.WAKE_NEXT)
                return error
            entry = unlocked
        await self.k.dax.dax_lock_entry(xas, entry)
        await i_pages.clear_mark(xas.index, Mark.TOWRITE)
        await i_pages.lock.release()
        await mapping.i_mmap_rwsem.down_read()
        for vma in await mapping.i_mmap.read():
            await self.pfn_mkclean_range(vma, xas.index, entry.pfn)
        await mapping.i_mmap_rwsem.up_read()
        await self.dax_flush(entry)
        xas.reset()
        await i_pages.lock.acquire()
        await xas.store(entry)
        await i_pages.clear_mark(xas.index, Mark.DIRTY)
        await self.k.dax.dax_wake_entry(mapping, xas.index, entry, WakeMode.WAKE_NEXT)
        return 0

    async def still_to_write(
        self, mapping: AddressSpace, xas: XaState, old: Entry, entry: Entry | None
    ) -> tuple[int, bool]:
        """An error, and whether an entry that was locked when the walk came to it still has to be written."""
        if entry is None or entry.pfn != old.pfn:
            return 0, False
        if not entry.real:
            self.k.warn("dax_writeback_one: zero or empty entry", None)
            return -EIO, False
        return 0, await mapping.i_pages.get_mark(xas.index, Mark.TOWRITE)

    async def pfn_mkclean_range(self, vma: Vma, index: int, pfn: int) -> None:
        """Write-protect and clean the entry that maps a page in one VMA; flushed under the page-table lock."""
        mm = vma.mm
        for address in vma.addresses(index, index):
            slot = mm.slots[address]
            ptl = mm.ptl(address)
            await ptl.acquire()
            pte = await slot.read()
            if pte is not None and pte.pfn == pfn and not pte.zero and (pte.dirty or pte.write):
                await slot.write(None)
                await self.k.tlb.flush_tlb_mm_range(mm, [address])
                await slot.write(Pte(pfn))
            await ptl.release()

    async def dax_flush(self, entry: Entry) -> None:
        """Write the blocks' cache lines back: from here on the data is durable."""
        for pfn in entry.pfns(self.k.machine):
            await self.k.blocks[pfn].flush()
