"""Get user pages: references for devices and for the kernel (mm/gup.c, v6.0), one page a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.mm import TABLE
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.sim import Signal

if TYPE_CHECKING:
    from daxfuzz.kernel.memremap import DevPagemap
    from daxfuzz.kernel.mm import Mm, Pte, Vma
    from daxfuzz.kernel.page import Page

EFAULT = 14
EINTR = 4
ENOMEM = 12
EOPNOTSUPP = 95


class Foll:
    """FOLL_ flags, as plain ints: enum.Flag would be a good part of the cost of every grab."""

    WRITE = 1
    GET = 2
    PIN = 4
    LONGTERM = 8


class Gup(Subsystem):
    """The slow path under mmap_lock, the lockless fast path, and the release."""

    def page_maybe_dma_pinned(self, refcount: int) -> bool:
        """The order-0 test, on a count that was read: negative counts look pinned, as the kernel's unsigned ones do."""
        return not 0 <= refcount < self.k.machine.bias

    # -- taking references ---------------------------------------------------------------------------------------

    async def try_grab_page(self, page: Page, flags: int) -> bool:
        """Take a reference where the page cannot go away: the page-table lock is held."""
        folio = await page.head.read()
        if await folio.refcount.read() <= 0:
            self.k.warn("try_grab_page: page is free", page)
            return False
        if flags & Foll.GET:
            await folio.refcount.add(1)
        elif folio.large:
            await folio.refcount.add(1)
            await folio.pincount.add(1)
        else:
            await folio.refcount.add(self.k.machine.bias)
        return True

    async def try_get_folio(self, page: Page, refs: int) -> Page | None:
        """Take references on the folio of a page that may go away at any moment; None if it is free."""
        while True:
            folio = await page.head.read()
            if await folio.refcount.read() < 0:
                self.k.warn("try_get_folio: negative reference count", page)
                return None
            if not await folio.refcount.add_unless_zero(refs):
                return None
            if await page.head.read() is folio:
                return folio
            if not await self.k.memremap.put_devmap_managed_page_refs(folio, refs):
                await self.k.memremap.folio_put_refs(folio, refs)

    async def try_grab_folio(self, page: Page, refs: int, flags: int) -> Page | None:
        """The lockless flavour: a pin is taken in two additions, and the count between them is seen by others."""
        folio = await self.try_get_folio(page, refs)
        if folio is None or flags & Foll.GET:
            return folio
        if folio.large:
            await folio.pincount.add(refs)
        else:
            await folio.refcount.add(refs * (self.k.machine.bias - 1))
        return folio

    # -- dropping references -------------------------------------------------------------------------------------

    async def gup_put_folio(self, folio: Page, refs: int, flags: int) -> None:
        """Undo what a grab did."""
        if flags & Foll.PIN:
            if folio.large:
                await folio.pincount.add(-refs)
            else:
                refs *= self.k.machine.bias
        if not await self.k.memremap.put_devmap_managed_page_refs(folio, refs):
            await self.k.memremap.folio_put_refs(folio, refs)

    async def unpin_user_page(self, page: Page) -> None:
        """Drop one FOLL_PIN reference."""
        folio = await page.head.read()
        await self.gup_put_folio(folio, 1, Foll.PIN)

    # -- slow path -----------------------------------------------------------------------------------------------

    async def follow_page_pte(
        self, mm: Mm, address: int, flags: int, pgmap: DevPagemap | None
    ) -> tuple[Page | None, DevPagemap | None, int]:
        """Find and grab the page that an entry maps: (page or None, cached page map, error)."""
        page = None
        error = 0
        if await mm.pmd(address).read() is not TABLE:
            return None, pgmap, 0
        ptl = mm.ptl(address)
        await ptl.acquire()
        pte = await mm.slots[address].read()
        if pte is not None and not pte.zero and (pte.write or not flags & Foll.WRITE):
            pgmap = await self.k.memremap.get_dev_pagemap(pte.pfn, pgmap)
            if pgmap is not None:
                page = self.k.pages[pte.pfn]
                if not await self.try_grab_page(page, flags):
                    page, error = None, -ENOMEM
        await ptl.release()
        return page, pgmap, error

    async def _get_user_pages(self, mm: Mm, address: int, flags: int) -> Page | int:
        """Fault until the page can be followed: the page, or a negative error. mmap_lock is held for reading."""
        pgmap: DevPagemap | None = None
        result: Page | int
        vma = await self.k.memory.find_vma(mm, address)
        if vma is None:
            return -EFAULT
        if flags & Foll.LONGTERM:
            # check_vma_flags: a file system cannot promise such a pin an end (vma_is_fsdax).
            return -EOPNOTSUPP
        while True:
            if self.k.world.current.signal is Signal.FATAL:
                result = -EINTR
                break
            page, pgmap, error = await self.follow_page_pte(mm, address, flags, pgmap)
            if page is not None or error:
                result = page if page is not None else error
                break
            if await self.faultin_page(vma, address, flags) is VmFault.SIGBUS:
                result = -EFAULT
                break
        await self.k.memremap.put_dev_pagemap(pgmap)
        return result

    async def faultin_page(self, vma: Vma, address: int, flags: int) -> VmFault:
        """Make the page present, writable if the caller wants to write; the VMA stays, since mmap_lock is held."""
        return await self.k.memory.handle_mm_fault(vma, address, bool(flags & Foll.WRITE))

    async def get_user_pages_unlocked(self, mm: Mm, address: int, flags: int) -> Page | int:
        """The slow path with mmap_lock taken and dropped."""
        await mm.mmap_lock.down_read()
        result = await self._get_user_pages(mm, address, flags)
        await mm.mmap_lock.up_read()
        return result

    # -- fast path -----------------------------------------------------------------------------------------------

    async def gup_pte_range(self, mm: Mm, address: int, flags: int) -> Page | None:
        """Grab the page that an entry maps, with no lock: read the entry, grab, read the entry again."""
        pmd = await mm.pmd(address).read()
        if pmd is not TABLE:
            return None
        pte = await mm.slots[address].read()
        if pte is None or (flags & Foll.WRITE and not pte.write):
            return None
        if pte.zero or flags & Foll.LONGTERM:
            return None
        pgmap = await self.k.memremap.get_dev_pagemap(pte.pfn, None)
        if pgmap is None:
            return None
        page = self.k.pages[pte.pfn]
        folio = await self.try_grab_folio(page, 1, flags)
        if folio is not None and not await self.pte_unchanged(mm, address, pte):
            await self.gup_put_folio(folio, 1, flags)
            folio = None
        await self.k.memremap.put_dev_pagemap(pgmap)
        return folio

    async def pte_unchanged(self, mm: Mm, address: int, pte: Pte) -> bool:
        """The re-check after the grab: who clears the entry later than this will see the count."""
        return await mm.pmd(address).read() is TABLE and await mm.slots[address].read() == pte

    async def lockless_pages_from_mm(self, mm: Mm, address: int, flags: int) -> Page | None:
        """The walk with interrupts off. A pin is given up if fork write-protected pages meanwhile."""
        seq = 0
        if flags & Foll.PIN:
            seq = await mm.write_protect_seq.read()
            if seq & 1:
                return None
        await self.k.interrupts.local_irq_save()
        page = await self.gup_pte_range(mm, address, flags)
        await self.k.interrupts.local_irq_restore()
        if flags & Foll.PIN and await mm.write_protect_seq.read() != seq and page is not None:
            await self.unpin_user_page(page)
            return None
        return page

    async def internal_get_user_pages_fast(self, mm: Mm, address: int, flags: int) -> Page | int:
        """The fast path, and the slow path for what it did not get."""
        page = await self.lockless_pages_from_mm(mm, address, flags)
        if page is not None:
            return page
        return await self.get_user_pages_unlocked(mm, address, flags)
