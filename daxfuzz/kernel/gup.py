"""Get user pages: references for devices and for the kernel (mm/gup.c, v6.0)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EFAULT, EINTR, EMLINK, ENOMEM, EOPNOTSUPP
from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.mm import TABLE, Pte
from daxfuzz.kernel.page import COW
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.sim import Signal

if TYPE_CHECKING:
    from daxfuzz.kernel.memremap import DevPagemap
    from daxfuzz.kernel.mm import Mm, Vma
    from daxfuzz.kernel.page import Page


class Foll:
    """FOLL_ flags, as plain ints: enum.Flag would be a good part of the cost of every grab."""

    WRITE = 1
    GET = 2
    PIN = 4
    LONGTERM = 8
    NOWAIT = 16


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

    async def gup_get_dev_pagemap(self, pfn: int, pgmap: DevPagemap | None) -> tuple[DevPagemap | None, bool]:
        """Hold the page map of a device page before the page is touched, and whether the page is there.

        pgmap: the page map that is held already. What is returned is dropped when the walk is over.
        """
        pgmap = await self.k.memremap.get_dev_pagemap(pfn, pgmap)
        return pgmap, pgmap is not None

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

    async def unpin_user_pages(self, pages: Sequence[Page]) -> None:
        """Drop one FOLL_PIN reference of each page; those of a run of pages of one folio all at once."""
        position = 0
        while position < len(pages):
            folio, refs = await self.gup_folio_next(pages, position)
            await self.gup_put_folio(folio, refs, Foll.PIN)
            position += refs

    async def gup_folio_next(self, pages: Sequence[Page], position: int) -> tuple[Page, int]:
        """The folio of a page in a list, and how many pages from there on belong to it."""
        folio = await pages[position].head.read()
        refs = 1
        while position + refs < len(pages) and await pages[position + refs].head.read() is folio:
            refs += 1
        return folio, refs

    # -- slow path -----------------------------------------------------------------------------------------------

    def follow_pud_mask(
        self, mm: Mm, address: int, flags: int, pgmap: DevPagemap | None
    ) -> Awaitable[tuple[Page | None, DevPagemap | None, int]]:
        """Find and grab the page that is mapped at an address: (page or None, cached page map, error)."""
        if mm.puds:
            return self.follow_pud_leaf(mm, address, flags, pgmap)
        return self.follow_pmd_mask(mm, address, flags, pgmap)

    async def follow_pud_leaf(
        self, mm: Mm, address: int, flags: int, pgmap: DevPagemap | None
    ) -> tuple[Page | None, DevPagemap | None, int]:
        """The part of follow_pud_mask for PUD entries."""
        if await mm.pud(address).read() is None:
            return None, pgmap, 0
        await mm.pud_lock.acquire()
        page, pgmap, error = await self.k.huge_memory.follow_devmap_pud(mm, address, flags, pgmap)
        await mm.pud_lock.release()
        return page, pgmap, error

    async def follow_pmd_mask(
        self, mm: Mm, address: int, flags: int, pgmap: DevPagemap | None
    ) -> tuple[Page | None, DevPagemap | None, int]:
        """The same below a table of PMDs.

        What kind of PMD entry it is goes by the look without the lock; under it, another kind counts as nothing.
        """
        pmd = await mm.pmd(address).read()
        if pmd is None:
            return None, pgmap, 0
        if isinstance(pmd, Pte):
            if pmd.zero:
                return await self.follow_huge_zero_pmd(mm, address, flags, pgmap)
            await mm.pmd_lock.acquire()
            page, pgmap, error = await self.k.huge_memory.follow_devmap_pmd(mm, address, flags, pgmap)
            await mm.pmd_lock.release()
            if page is not None or error:
                return page, pgmap, error
        return await self.follow_page_pte(mm, address, flags, pgmap)

    async def follow_huge_zero_pmd(
        self, mm: Mm, address: int, flags: int, pgmap: DevPagemap | None
    ) -> tuple[Page | None, DevPagemap | None, int]:
        """The part of follow_pmd_mask for pmd_trans_huge, which in a file is the huge zero page."""
        await mm.pmd_lock.acquire()
        pmd = await mm.pmd(address).read()
        if isinstance(pmd, Pte) and pmd.zero:
            page, error = await self.k.huge_memory.follow_trans_huge_pmd(mm, address, flags)
            await mm.pmd_lock.release()
            return page, pgmap, error
        await mm.pmd_lock.release()
        if pmd is None:
            return None, pgmap, 0
        return await self.follow_page_pte(mm, address, flags, pgmap)

    async def follow_page_pte(
        self, mm: Mm, address: int, flags: int, pgmap: DevPagemap | None
    ) -> tuple[Page | None, DevPagemap | None, int]:
        """The same for a page-table entry; nothing is found where there is no table (pmd_bad)."""
        page = None
        error = 0
        if await mm.pmd(address).read() is not TABLE:
            return None, pgmap, 0
        ptl = mm.ptl(address)
        await ptl.acquire()
        pte = await mm.slots[address].read()
        if pte is not None and (pte.write or not flags & Foll.WRITE):
            if pte.zero:
                page = await self.grab_zero_page(flags)
            else:
                page, pgmap = await self.page_of_pte(pte, pgmap)
                if page is not None:
                    if not pte.write and await self.gup_must_unshare(flags, page):
                        page, error = None, -EMLINK
                    elif not await self.try_grab_page(page, flags):
                        page, error = None, -ENOMEM
        await ptl.release()
        return page, pgmap, error

    async def page_of_pte(self, pte: Pte, pgmap: DevPagemap | None) -> tuple[Page | None, DevPagemap | None]:
        """The page that an entry maps, and the cached page map; a device page only while its page map lives."""
        page = self.k.pages[pte.pfn]
        if page.ram:
            return page, pgmap
        pgmap, there = await self.gup_get_dev_pagemap(pte.pfn, pgmap)
        return (page if there else None), pgmap

    async def gup_must_unshare(self, flags: int, page: Page) -> bool:
        """Whether a read-only pin has to break copy-on-write first: the page may be another process's, too.

        Pins that write need a writable entry, which only pages of one process have.
        """
        if flags & (Foll.WRITE | Foll.PIN) != Foll.PIN:
            return False
        if not await self.page_anon(page):
            return False
        return not (page.ram and await page.anon_exclusive.read())

    async def page_anon(self, page: Page) -> bool:
        """PageAnon: bit 0 of the mapping. PAGE_MAPPING_DAX_COW is just that bit, so a device page that file pages
        share looks anonymous, too."""
        return page.ram or await page.mapping.read() is COW

    async def mm_set_has_pinned_flag(self, mm: Mm, flags: int) -> None:
        """Tell fork that pages of this mm may be pinned; only private pages are worth it."""
        if flags & Foll.PIN and mm.anon_vma and not await mm.has_pinned.read():
            await mm.has_pinned.write(True)

    async def grab_zero_page(self, flags: int) -> Page:
        """A reference on the zero page: counted like any other, and never the last one."""
        page = self.k.zero_folio
        await self.try_grab_page(page, flags)
        return page

    async def _get_user_pages(self, mm: Mm, addresses: range, flags: int) -> list[Page] | int:
        """Follow the pages of a range, each one faulted in until it can be. mmap_lock is held for reading.

        The pages; fewer, if an error comes after the first ones; a negative error if there are none.
        """
        pages: list[Page] = []
        pgmap: DevPagemap | None = None
        vma: Vma | None = None
        error = 0
        for address in addresses:
            if vma is None or address >= vma.end:
                vma, error = await self.find_checked_vma(mm, address, flags)
            if vma is None:
                break
            page, pgmap, error = await self.follow_or_fault(vma, address, self.fault_flags(flags, len(pages)), pgmap)
            if page is None:
                break
            pages.append(page)
        await self.k.memremap.put_dev_pagemap(pgmap)
        return pages if pages else error

    async def find_checked_vma(self, mm: Mm, address: int, flags: int) -> tuple[Vma | None, int]:
        """The VMA of an address if it allows such references (check_vma_flags), else None and the error."""
        vma = await self.k.memory.find_vma(mm, address)
        if vma is None:
            return None, -EFAULT
        if flags & Foll.LONGTERM and not self.k.fs.char_device:
            # A file system cannot promise such a pin an end (vma_is_fsdax).
            return None, -EOPNOTSUPP
        return vma, 0

    async def follow_or_fault(
        self, vma: Vma, address: int, flags: int, pgmap: DevPagemap | None
    ) -> tuple[Page | None, DevPagemap | None, int]:
        """Fault until the page can be followed: (page or None, cached page map, error)."""
        while True:
            if self.k.world.current.signal is Signal.FATAL:
                return None, pgmap, -EINTR
            page, pgmap, error = await self.follow_pud_mask(vma.mm, address, flags, pgmap)
            if page is not None or error not in (0, -EMLINK):
                return page, pgmap, error
            fault = await self.faultin_page(vma, address, flags, unshare=error == -EMLINK)
            if fault is VmFault.RETRY:
                return None, pgmap, 0
            if fault in (VmFault.SIGBUS, VmFault.OOM):
                return None, pgmap, -EFAULT if fault is VmFault.SIGBUS else -ENOMEM

    def fault_flags(self, flags: int, held: int) -> int:
        """The flags for the faults of a call that holds references on so many pages already."""
        return flags

    def faultin_page(self, vma: Vma, address: int, flags: int, unshare: bool) -> Awaitable[VmFault]:
        """Make the page present, writable if the caller wants to write, or, with unshare, this process's own; the VMA
        stays, since mmap_lock is held."""
        return self.k.memory.handle_mm_fault(vma, address, bool(flags & Foll.WRITE), unshare, bool(flags & Foll.NOWAIT))

    async def get_user_pages_unlocked(self, mm: Mm, addresses: range, flags: int) -> list[Page] | int:
        """The slow path with mmap_lock taken and dropped."""
        await self.mm_set_has_pinned_flag(mm, flags)
        await mm.mmap_lock.down_read()
        result = await self._get_user_pages(mm, addresses, flags)
        await mm.mmap_lock.up_read()
        return result

    # -- fast path -----------------------------------------------------------------------------------------------

    def gup_pud_range(self, mm: Mm, addresses: range, flags: int, pages: list[Page]) -> Awaitable[bool]:
        """Grab all pages of a range with no lock, up to the first that needs one; the whole of it if True."""
        if mm.puds:
            return self.gup_pud_leaves(mm, addresses, flags, pages)
        return self.gup_pmd_range(mm, addresses, flags, pages)

    async def gup_pud_leaves(self, mm: Mm, addresses: range, flags: int, pages: list[Page]) -> bool:
        """The part of gup_pud_range for PUD entries."""
        first = addresses.start
        while first < addresses.stop:
            part = range(first, mm.pud_addr_end(first, addresses.stop))
            pud = await mm.pud(first).read()
            if pud is None or not await self.gup_huge_pud(mm, pud, part, flags, pages):
                return False
            first = part.stop
        return True

    async def gup_huge_pud(self, mm: Mm, orig: Pte, addresses: range, flags: int, pages: list[Page]) -> bool:
        """The pages that a PUD entry, which permits every access, maps at addresses; `orig` is its value as it was
        read."""
        if self.fast_path_stops(flags):
            return False
        return await self._gup_device_huge_pud(mm, orig, addresses, flags, pages)

    def _gup_device_huge_pud(
        self, mm: Mm, orig: Pte, addresses: range, flags: int, pages: list[Page]
    ) -> Awaitable[bool]:
        """As _gup_device_huge_pmd."""
        pfn = orig.pfn + addresses.start % mm.pud_pages
        unchanged = partial(self.pud_unchanged, mm, addresses.start, orig)
        return self.gup_device_leaf(range(pfn, pfn + len(addresses)), flags, pages, unchanged)

    async def gup_pmd_range(self, mm: Mm, addresses: range, flags: int, pages: list[Page]) -> bool:
        """The same below a table of PMDs."""
        first = addresses.start
        while first < addresses.stop:
            part = range(first, mm.pmd_addr_end(first, addresses.stop))
            pmd = await mm.pmd(first).read()
            if isinstance(pmd, Pte):
                if not await self.gup_huge_pmd(mm, pmd, part, flags, pages):
                    return False
            elif pmd is None or not await self.gup_pte_range(mm, part, flags, pages):
                return False
            first = part.stop
        return True

    def fast_path_stops(self, flags: int) -> bool:
        """Whether the lockless walk stops at an entry that maps a device, before it grabs anything."""
        return bool(flags & Foll.LONGTERM)

    async def gup_huge_pmd(self, mm: Mm, orig: Pte, addresses: range, flags: int, pages: list[Page]) -> bool:
        """The pages that a PMD entry maps at addresses; `orig` is its value as it was read."""
        if orig.invalid or (flags & Foll.WRITE and not orig.write):
            return False
        if not orig.zero:
            if self.fast_path_stops(flags):
                return False
            return await self._gup_device_huge_pmd(mm, orig, addresses, flags, pages)
        folio = await self.try_grab_folio(self.k.zero_folio, len(addresses), flags)
        if folio is None:
            return False
        if not await self.pmd_unchanged(mm, addresses.start, orig):
            await self.gup_put_folio(folio, len(addresses), flags)
            return False
        pages.extend([folio] * len(addresses))
        return True

    def _gup_device_huge_pmd(
        self, mm: Mm, orig: Pte, addresses: range, flags: int, pages: list[Page]
    ) -> Awaitable[bool]:
        """The pages of a device that a PMD entry maps at addresses; `orig` is its value as it was read."""
        pfn = orig.pfn + addresses.start % mm.pmd_pages
        unchanged = partial(self.pmd_unchanged, mm, addresses.start, orig)
        return self.gup_device_leaf(range(pfn, pfn + len(addresses)), flags, pages, unchanged)

    async def gup_device_leaf(
        self, pfns: range, flags: int, pages: list[Page], unchanged: Callable[[], Awaitable[bool]]
    ) -> bool:
        """What _gup_device_huge_pmd and _gup_device_huge_pud have in common: all of the pages or none.

        unchanged: the re-check of the entry after the grab. If it has changed, they are given back.
        """
        before = len(pages)
        if not await self._gup_device_huge(pfns.start, len(pfns), flags, pages):
            return False
        if not await unchanged():
            await self.undo_dev_pagemap(pages, before, flags)
            return False
        return True

    async def _gup_device_huge(self, pfn: int, nr: int, flags: int, pages: list[Page]) -> bool:
        """Grab so many pages of a device from a pfn on, each on its own: all of them or none.

        try_grab_page looks at a count and adds to it in two steps, with no lock here that would keep it (F-18).
        """
        before = len(pages)
        pgmap: DevPagemap | None = None
        for page in self.k.pages[pfn : pfn + nr]:
            pgmap = await self.k.memremap.get_dev_pagemap(page.pfn, pgmap)
            if pgmap is None or not await self.try_grab_page(page, flags):
                await self.undo_dev_pagemap(pages, before, flags)
                break
            pages.append(page)
        await self.k.memremap.put_dev_pagemap(pgmap)
        return len(pages) == before + nr

    async def undo_dev_pagemap(self, pages: list[Page], before: int, flags: int) -> None:
        """Give back the pages of a list behind its first ones, from the end, each on its own."""
        while len(pages) > before:
            page = pages.pop()
            if flags & Foll.PIN:
                await self.unpin_user_page(page)
            else:
                await self.k.memremap.put_page(page)

    async def gup_pte_range(self, mm: Mm, addresses: range, flags: int, pages: list[Page]) -> bool:
        """Grab the pages of one page table: read an entry, grab, read the entry again."""
        before = len(pages)
        pgmap: DevPagemap | None = None
        for address in addresses:
            pte = await mm.slots[address].read()
            if pte is None or (flags & Foll.WRITE and not pte.write) or pte.zero:
                break
            page = self.k.pages[pte.pfn]
            if not page.ram:
                if self.fast_path_stops(flags):
                    break
                pgmap, there = await self.gup_get_dev_pagemap(pte.pfn, pgmap)
                if not there:
                    await self.undo_dev_pagemap(pages, before, flags)
                    break
            if not await self.gup_pte(mm, address, pte, page, flags):
                break
            pages.append(page)
        await self.k.memremap.put_dev_pagemap(pgmap)
        return len(pages) == before + len(addresses)

    async def gup_pte(self, mm: Mm, address: int, pte: Pte, page: Page, flags: int) -> bool:
        """The grab in the middle of gup_pte_range, and what is looked at after it: whether it is kept."""
        folio = await self.try_grab_folio(page, 1, flags)
        if folio is None:
            return False
        if not await self.pte_unchanged(mm, address, pte) or (
            not pte.write and await self.gup_must_unshare(flags, page)
        ):
            await self.gup_put_folio(folio, 1, flags)
            return False
        return True

    async def pte_unchanged(self, mm: Mm, address: int, pte: Pte) -> bool:
        """The re-check after the grab: who clears the entry later than this will see the count."""
        return await mm.pmd(address).read() is TABLE and await mm.slots[address].read() == pte

    async def pmd_unchanged(self, mm: Mm, address: int, pmd: Pte) -> bool:
        """The same for a PMD entry."""
        return await mm.pmd(address).read() == pmd

    async def pud_unchanged(self, mm: Mm, address: int, pud: Pte) -> bool:
        """The same for a PUD entry."""
        return await mm.pud(address).read() == pud

    async def lockless_pages_from_mm(self, mm: Mm, addresses: range, flags: int) -> list[Page]:
        """The walk with interrupts off. Pins are given up if fork write-protected pages meanwhile."""
        seq = 0
        pages: list[Page] = []
        if flags & Foll.PIN:
            seq = await mm.write_protect_seq.read()
            if seq & 1:
                return pages
        await self.k.interrupts.local_irq_save()
        await self.gup_pud_range(mm, addresses, flags, pages)
        await self.k.interrupts.local_irq_restore()
        if flags & Foll.PIN and await mm.write_protect_seq.read() != seq:
            await self.unpin_user_pages(pages)
            return []
        return pages

    async def internal_get_user_pages_fast(self, mm: Mm, addresses: range, flags: int) -> list[Page] | int:
        """The fast path, and the slow path for what it did not get; an error only if neither got any."""
        await self.mm_set_has_pinned_flag(mm, flags)
        pages = await self.lockless_pages_from_mm(mm, addresses, flags)
        if len(pages) == len(addresses):
            return pages
        flags = self.fault_flags(flags, len(pages))
        rest = await self.get_user_pages_unlocked(mm, addresses[len(pages) :], flags)
        if isinstance(rest, int):
            return pages if pages else rest
        return pages + rest
