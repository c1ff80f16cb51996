"""fsync of DAX files (fs/dax.c, dax_writeback_mapping_range and below, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.dax import WakeMode
from daxfuzz.kernel.errno import EIO
from daxfuzz.kernel.mm import TABLE, Pte, VmFlag
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.kernel.xarray import Mark, XaState

if TYPE_CHECKING:
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import AddressSpace
    from daxfuzz.kernel.mm import Mm, Vma


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
            unlocked = await self.wait_marked_entry(mapping, xas)
            error, write = await self.still_to_write(mapping, xas, entry, unlocked)
            if unlocked is None or not write:
                await self.k.dax.put_unlocked_entry(mapping, xas, unlocked, WakeMode.WAKE_NEXT)
                return error
            entry = unlocked
        await self.k.dax.dax_lock_entry(xas, entry)
        await self.start_writeback(mapping, xas)
        await i_pages.lock.release()
        # A walk may have begun in the middle of a PMD.
        pages = entry.size(self.k.machine)
        index = xas.index - xas.index % pages
        await mapping.i_mmap_rwsem.down_read()
        for vma in await mapping.i_mmap.read():
            await self.pfn_mkclean_range(vma, entry.pfn, pages, index)
        await mapping.i_mmap_rwsem.up_read()
        await self.dax_flush(entry)
        xas.reset()
        await i_pages.lock.acquire()
        await xas.store(entry)
        await self.end_writeback(mapping, xas)
        await self.k.dax.dax_wake_entry(mapping, xas.index, entry, WakeMode.WAKE_NEXT)
        return 0

    async def wait_marked_entry(self, mapping: AddressSpace, xas: XaState) -> Entry | None:
        """What a walk does on a locked entry: get_unlocked_entry, which inside a walk finds nothing."""
        return await self.k.dax.get_unlocked_entry(mapping, xas)

    async def start_writeback(self, mapping: AddressSpace, xas: XaState) -> None:
        """The entry has just been locked; who tags it from now on wants it written again."""
        await mapping.i_pages.clear_mark(xas.index, Mark.TOWRITE)

    async def end_writeback(self, mapping: AddressSpace, xas: XaState) -> None:
        """The data is durable, and the entry has just been unlocked."""
        await mapping.i_pages.clear_mark(xas.index, Mark.DIRTY)

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

    async def pfn_mkclean_range(self, vma: Vma, pfn: int, pages: int, index: int) -> None:
        """Write-protect and clean what maps `pages` pages from a pfn at a file page in one VMA (page_vma_mkclean_one).

        Each entry is flushed under its lock. All pages are below one PMD entry.
        """
        mm = vma.mm
        addresses = vma.addresses(index, index + pages - 1)
        if not vma.flags & VmFlag.SHARED or not addresses:
            return
        pmd = await mm.pmd(addresses.start).read()
        if isinstance(pmd, Pte):
            await mm.pmd_lock.acquire()
            pmd = await mm.pmd(addresses.start).read()
            if isinstance(pmd, Pte):
                if self.check_pmd(pmd, pfn, pages) and (pmd.dirty or pmd.write):
                    await self.k.huge_memory.pmd_mkclean(mm, addresses.start, pmd)
                await mm.pmd_lock.release()
                return
            await mm.pmd_lock.release()
        elif pmd is None and pages > 1 and len(addresses) == pages:
            # PVMW_SYNC: who has cleared the entry is through with it.
            await mm.pmd_lock.acquire()
            await mm.pmd_lock.release()
        if pmd is TABLE:
            await self.pte_mkclean_range(mm, addresses, range(pfn, pfn + pages))

    def check_pmd(self, pmd: Pte, pfn: int, pages: int) -> bool:
        """Whether a PMD entry maps any of the pages."""
        return not pmd.zero and pmd.pfn < pfn + pages and pfn < pmd.pfn + self.k.machine.pmd_pages

    async def pte_mkclean_range(self, mm: Mm, addresses: range, pfns: range) -> None:
        """The entries of one page table. An entry is none while it is flushed."""
        ptl = mm.ptl(addresses.start)
        await ptl.acquire()
        for address in addresses:
            slot = mm.slots[address]
            pte = await slot.read()
            if pte is not None and pte.pfn in pfns and not pte.zero and (pte.dirty or pte.write):
                await slot.write(None)
                await self.k.tlb.flush_tlb_mm_range(mm, [address])
                await slot.write(Pte(pte.pfn))
        await ptl.release()

    async def dax_flush(self, entry: Entry) -> None:
        """Write the blocks' cache lines back: from here on the data is durable."""
        for pfn in entry.pfns(self.k.machine):
            await self.k.blocks[pfn].flush()
