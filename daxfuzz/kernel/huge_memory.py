"""PMD and PUD entries of files: insertion, removal, and their pages for GUP (mm/huge_memory.c, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EFAULT, ENOMEM
from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.subsystem import Subsystem

if TYPE_CHECKING:
    from daxfuzz.kernel.memory import Fault
    from daxfuzz.kernel.memremap import DevPagemap
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.kernel.page import Page
    from daxfuzz.kernel.tlb import MmuGather


class HugeMemory(Subsystem):
    """All changes of a PMD entry are made under the PMD lock, and those of a PUD entry under the PUD lock. They are
    devmap entries: no references, no map counts.

    A PMD entry that maps a file has no page table in reserve (arch_needs_pgtable_deposit), so splitting it means
    clearing it: the pages fault in again one by one.
    """

    # -- faults --------------------------------------------------------------------------------------------------

    async def vmf_insert_pfn_pmd(self, vmf: Fault, new: Pte) -> VmFault:
        """Map a PMD's worth of blocks, whatever comes of it. new: dirty for a write."""
        await self.insert_pfn_pmd(vmf.vma.mm, vmf.address, new)
        return VmFault.NOPAGE

    async def insert_pfn_pmd(self, mm: Mm, address: int, new: Pte) -> None:
        """Set the entry if there is none; make the one that is there writable, if it is for these blocks."""
        pmd = mm.pmd(address)
        await mm.pmd_lock.acquire()
        old = await pmd.read()
        if old is None:
            await pmd.write(new)
        elif new.dirty:
            if isinstance(old, Pte) and old.pfn == new.pfn and not old.zero:
                await pmd.write(new)
            elif not isinstance(old, Pte) or not old.zero:
                self.k.warn("insert_pfn_pmd: something else is mapped here", None)
        await mm.pmd_lock.release()

    async def vmf_insert_pfn_pud(self, vmf: Fault, new: Pte) -> VmFault:
        """Map a PUD's worth of blocks, whatever comes of it. new: dirty for a write."""
        await self.insert_pfn_pud(vmf.vma.mm, vmf.address, new)
        return VmFault.NOPAGE

    async def insert_pfn_pud(self, mm: Mm, address: int, new: Pte) -> None:
        """As insert_pfn_pmd."""
        pud = mm.pud(address)
        await mm.pud_lock.acquire()
        old = await pud.read()
        if old is None:
            await pud.write(new)
        elif new.dirty:
            if old.pfn == new.pfn:
                await pud.write(new)
            else:
                self.k.warn("insert_pfn_pud: something else is mapped here", None)
        await mm.pud_lock.release()

    async def insert_huge_zero_pmd(self, mm: Mm, address: int) -> bool:
        """Map the huge zero page, read-only, where nothing is: whether nothing was (part of dax_pmd_load_hole)."""
        pmd = mm.pmd(address)
        await mm.pmd_lock.acquire()
        free = await pmd.read() is None
        if free:
            await pmd.write(Pte(0, zero=True))
        await mm.pmd_lock.release()
        return free

    async def huge_pmd_set_accessed(self, mm: Mm, address: int, orig: Pte, write: bool) -> None:
        """A fault on an entry that permits the access: note the access in it, if it is the same still."""
        pmd = mm.pmd(address)
        await mm.pmd_lock.acquire()
        if await pmd.read() == orig and write and not orig.dirty:
            await pmd.write(orig._replace(dirty=True))
        await mm.pmd_lock.release()

    async def huge_pud_set_accessed(self, mm: Mm, address: int, orig: Pte, write: bool) -> None:
        """The same for a PUD entry."""
        pud = mm.pud(address)
        await mm.pud_lock.acquire()
        if await pud.read() == orig and write and not orig.dirty:
            await pud.write(orig._replace(dirty=True))
        await mm.pud_lock.release()

    # -- removal -------------------------------------------------------------------------------------------------

    async def zap_huge_pmd(self, tlb: MmuGather, address: int) -> bool:
        """Clear an entry and leave the flush to the gather. False if it is no leaf by now."""
        mm = tlb.mm
        pmd = mm.pmd(address)
        await mm.pmd_lock.acquire()
        huge = isinstance(await pmd.read(), Pte)
        if huge:
            await pmd.write(None)
            tlb.addresses.extend(mm.pmd_addresses(address))
        await mm.pmd_lock.release()
        return huge

    async def split_huge_pmd(self, mm: Mm, address: int) -> None:
        """Split the entry at an address, if there is one by a look without the lock."""
        if isinstance(await mm.pmd(address).read(), Pte):
            await self._split_huge_pmd(mm, address)

    async def _split_huge_pmd(self, mm: Mm, address: int) -> None:
        """__split_huge_pmd of a file: clear the entry and flush it, all under the PMD lock."""
        pmd = mm.pmd(address)
        await mm.pmd_lock.acquire()
        if isinstance(await pmd.read(), Pte):
            await pmd.write(None)
            await self.k.tlb.flush_tlb_mm_range(mm, list(mm.pmd_addresses(address)))
        await mm.pmd_lock.release()

    async def zap_huge_pud(self, tlb: MmuGather, address: int) -> None:
        """Clear a PUD entry, if it is there still, and leave the flush to the gather."""
        mm = tlb.mm
        pud = mm.pud(address)
        await mm.pud_lock.acquire()
        old = await pud.read()
        if old is not None:
            await pud.write(None)
            tlb.addresses.extend(mm.pud_addresses(address))
            await self.pud_zapped(tlb, old)
        await mm.pud_lock.release()

    async def pud_zapped(self, tlb: MmuGather, old: Pte) -> None:
        """The part of zap_huge_pud for the page that was mapped: nothing, as long as entries hold no references."""

    async def split_huge_pud(self, mm: Mm, address: int) -> None:
        """Split the PUD entry at an address, if there is one by a look without the lock."""
        if await mm.pud(address).read() is not None:
            await self._split_huge_pud(mm, address)

    async def _split_huge_pud(self, mm: Mm, address: int) -> None:
        """__split_huge_pud: clear the entry and flush it, all under the PUD lock."""
        pud = mm.pud(address)
        await mm.pud_lock.acquire()
        old = await pud.read()
        if old is not None:
            await pud.write(None)
            await self.k.tlb.flush_tlb_mm_range(mm, list(mm.pud_addresses(address)))
            await self.pud_split(old)
        await mm.pud_lock.release()

    async def pud_split(self, old: Pte) -> None:
        """The part of __split_huge_pud for the page that was mapped: nothing, as in zap_huge_pud."""

    async def pmd_mkclean(self, mm: Mm, address: int, old: Pte) -> None:
        """Write-protect and clean an entry (the PMD half of page_vma_mkclean_one); the PMD lock is held.

        It is invalid while it is flushed, and never none: unlike with a page's entry, nobody can fault over it.
        """
        pmd = mm.pmd(address)
        await pmd.write(old._replace(invalid=True))
        await self.k.tlb.flush_tlb_mm_range(mm, list(mm.pmd_addresses(address)))
        await pmd.write(old._replace(write=False, dirty=False))

    # -- get user pages ------------------------------------------------------------------------------------------

    async def follow_devmap_pmd(
        self, mm: Mm, address: int, flags: int, pgmap: DevPagemap | None
    ) -> tuple[Page | None, DevPagemap | None, int]:
        """Find and grab the page that a PMD entry maps at an address: (page or None, cached page map, error).

        The PMD lock is held, and the entry is read again under it. None without an error: it must be faulted in.
        """
        pmd = await mm.pmd(address).read()
        if not isinstance(pmd, Pte) or pmd.zero or (flags & Foll.WRITE and not pmd.write):
            return None, pgmap, 0
        pte = pmd.sub(address % mm.pmd_pages)
        pgmap = await self.k.memremap.get_dev_pagemap(pte.pfn, pgmap)
        if pgmap is None:
            return None, None, -EFAULT
        page = self.k.pages[pte.pfn]
        if not await self.k.gup.try_grab_page(page, flags):
            return None, pgmap, -ENOMEM
        return page, pgmap, 0

    async def follow_devmap_pud(
        self, mm: Mm, address: int, flags: int, pgmap: DevPagemap | None
    ) -> tuple[Page | None, DevPagemap | None, int]:
        """The same for a PUD entry, under the PUD lock."""
        pud = await mm.pud(address).read()
        if pud is None or (flags & Foll.WRITE and not pud.write):
            return None, pgmap, 0
        pfn = pud.pfn + address % mm.pud_pages
        pgmap, there = await self.k.gup.gup_get_dev_pagemap(pfn, pgmap)
        if not there:
            return None, None, -EFAULT
        page = self.k.pages[pfn]
        if not await self.k.gup.try_grab_page(page, flags):
            return None, pgmap, -ENOMEM
        return page, pgmap, 0

    async def follow_trans_huge_pmd(self, mm: Mm, address: int, flags: int) -> tuple[Page | None, int]:
        """Grab the page of a PMD entry that is no device's, in a file the huge zero page: (page or None, error).

        The PMD lock is held.
        """
        if flags & Foll.WRITE:
            return None, 0
        return await self.k.gup.grab_zero_page(flags), 0
