"""fs/dax: Properly refcount fs dax pages (38607c62b34b, v6.15), as it is in v6.19."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, cast

from daxfuzz.kernel.cow import Cow
from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import DaxFlag, Entry
from daxfuzz.kernel.errno import ENOMEM
from daxfuzz.kernel.fork import Fork
from daxfuzz.kernel.gup import Foll, Gup
from daxfuzz.kernel.huge_memory import HugeMemory
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.memory import Fault, Memory, VmFault
from daxfuzz.kernel.memremap import DevPagemap, MemoryType, Memremap
from daxfuzz.kernel.mm import Mm, Pte, Vma
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.tlb import MmuGather
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Patch
from daxfuzz.sim import wake_up_var

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.filesystem import Iomap
    from daxfuzz.protocols.refcount_zero.insert_folio_pmd import AddVmfInsertFolioPmd
    from daxfuzz.protocols.refcount_zero.insert_page import AddVmfInsertPageMkwrite


class ProperlyRefcountFsDaxPages(Patch):
    """fs/dax: Properly refcount fs dax pages (38607c62b34b, v6.15).

    A page that nobody uses has no references. Each page-table entry that maps it holds one, and counts in the map
    count; busy is what has references beyond those. A PMD entry of a file makes its pages one folio. GUP knows
    nothing of page maps any more.
    """

    renames: ClassVar = {
        "free_zone_device_page": "free_zone_device_folio",
        "follow_devmap_pmd": "follow_huge_pmd",
        "follow_devmap_pud": "follow_huge_pud",
        "gup_huge_pmd": "gup_fast_pmd_leaf",
        "gup_huge_pud": "gup_fast_pud_leaf",
        "gup_pte_range": "gup_fast_pte_range",
        "try_grab_page": "try_grab_folio",
        "try_grab_folio": "try_grab_folio_fast",
    }
    adds: ClassVar = {
        "dax": (
            "dax_to_folio",
            "dax_folio_is_shared",
            "dax_folio_make_shared",
            "dax_folio_init",
            "prep_compound_page",
            "dax_folio_put",
            "dax_folio_split",
        ),
        "gup": ("folio_test_large", "folio_is_longterm_pinnable"),
    }

    class dax(Dax):
        # -- what is idle --------------------------------------------------------------------------------------------

        def idle_refcount(self) -> int:
            return 1 if self.k.fs.char_device else 0

        async def page_idle(self, page: Page) -> bool:
            return await page.refcount.read() == 0

        def idle_address(self, page: Page) -> int:
            return page.address

        async def dax_busy_page(self, xas: XaState, entry: Entry) -> Page | None:
            if not entry.real:
                return None
            folio = await self.dax_to_folio(entry)
            # Two reads, in an order that the compiler is free to choose.
            references = await folio.refcount.read()
            return folio if references - await folio.mapcount.read() else None

        async def dax_to_folio(self, entry: Entry) -> Page:
            """The folio of a real entry: the one that its first page belongs to (fs/dax.c, v6.19)."""
            return await self.k.pages[entry.pfn].head.read()

        # -- association ---------------------------------------------------------------------------------------------

        async def dax_folio_is_shared(self, folio: Page) -> bool:
            """Whether several entries have the folio: it names no file, and its index is a count (fs/dax.c, v6.19)."""
            return await folio.mapping.read() is None and await folio.index.read() != 0

        async def dax_folio_make_shared(self, folio: Page) -> None:
            """Replace the one file page that a folio names by a count of 1 (fs/dax.c, v6.19)."""
            await folio.mapping.write(None)
            await folio.index.write(1)

        async def dax_associate_entry(
            self, entry: Entry, mapping: AddressSpace, vmf: Fault, flags: int
        ) -> VmFault | None:
            if not entry.real:
                return None
            folio = await self.dax_to_folio(entry)
            size = entry.size(self.k.machine)
            owner = await folio.mapping.read()
            if flags & DaxFlag.COW and (owner is not None or await self.dax_folio_is_shared(folio)):
                if owner is not None:
                    await self.dax_folio_make_shared(folio)
                share = await folio.index.read()
                if not share:
                    self.k.warn("dax_associate_entry: share count is 0", folio)
                if await folio.order.read() != size:
                    self.k.warn("dax_associate_entry: the folio has another size", folio)
                await folio.index.write(share + 1)
                return None
            if owner is not None:
                self.k.warn("dax_associate_entry: page is associated already", folio)
            await self.dax_folio_init(entry)
            folio = await self.dax_to_folio(entry)
            await folio.mapping.write(mapping)
            await folio.index.write(self.associated_index(vmf, size))
            return None

        async def dax_folio_init(self, entry: Entry) -> None:
            """Make the pages of an entry one folio (fs/dax.c, v6.19); they were on their own, and nobody used them."""
            folio = await self.dax_to_folio(entry)
            if await folio.order.read() != 1:
                self.k.warn("dax_folio_init: the page is part of a folio", folio)
            if entry.huge:
                await self.prep_compound_page(folio, entry.size(self.k.machine))
                if await folio.refcount.read():
                    self.k.warn("dax_folio_init: the folio has references", folio)

        async def prep_compound_page(self, folio: Page, pages: int) -> None:
            """Make `pages` pages a folio of their first one (mm/page_alloc.c, v6.19); its counts start anew.

            Known deviation: the mapping of the pages but the first is left as it is, TAIL_MAPPING in the kernel.
            """
            for page in self.k.pages[folio.pfn + 1 : folio.pfn + pages]:
                await page.head.write(folio)
            await folio.order.write(pages)
            await folio.mapcount.set(0)
            await folio.pincount.set(0)

        async def dax_disassociate_entry(self, entry: Entry, mapping: AddressSpace, trunc: bool) -> None:
            if entry.real:
                await self.dax_folio_put(await self.dax_to_folio(entry))

        async def dax_folio_put(self, folio: Page) -> None:
            """One entry less has the folio; without any it names no file page, and is split (fs/dax.c, v6.19).

            The index of a page on its own stays: it will be taken for a count (F-27).
            """
            if await self.dax_folio_is_shared(folio):
                share = await folio.index.read() - 1
                await folio.index.write(share)
                if share:
                    return
            await folio.mapping.write(None)
            pages = await folio.order.read()
            if pages > 1:
                await self.dax_folio_split(folio, pages)

        async def dax_folio_split(self, folio: Page, pages: int) -> None:
            """Make the pages of a folio pages on their own again (part of dax_folio_put; fs/dax.c, v6.19)."""
            await folio.order.write(1)
            for page in self.k.pages[folio.pfn : folio.pfn + pages]:
                if page is not folio:
                    await page.head.write(page)
                await page.mapping.write(None)
                await page.index.write(0)
                if await page.refcount.read():
                    self.k.warn("dax_folio_put: the folio has references", page)

        def prefault_association(self, entry: Entry, mapping: AddressSpace, index: int) -> None:
            folio = self.k.pages[entry.pfn]
            folio.mapping.value = mapping
            folio.index.value = index
            folio.order.value = entry.size(self.k.machine)
            for pfn in entry.pfns(self.k.machine):
                self.k.pages[pfn].head.value = folio

        def folio_pages(self, entry: Entry) -> int:
            return entry.size(self.k.machine)

        def shared_count(self, page: Page) -> int | None:
            folio = page.head.value
            return folio.index.value or None if folio.mapping.value is None else None

    class dax_fault(DaxFault):
        async def insert_pfn(self, vmf: Fault, new: Pte, pfn: int) -> VmFault:
            folio = await self.k.pages[pfn].head.read()
            await folio.refcount.add(1)
            if vmf.pages == 1:
                memory = cast("AddVmfInsertPageMkwrite.memory", self.k.memory)
                result = await memory.vmf_insert_page_mkwrite(vmf, new)
            else:
                huge_memory = cast("AddVmfInsertFolioPmd.huge_memory", self.k.huge_memory)
                result = await huge_memory.vmf_insert_folio_pmd(vmf, new)
            await self.k.memremap.folio_put_refs(folio, 1)
            return result

        async def dax_pmd_load_hole(
            self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap
        ) -> tuple[VmFault, Entry]:
            # vmf_insert_folio_pmd does nothing where something is mapped already, and that is no reason to fall back.
            _, entry = await super().dax_pmd_load_hole(vmf, xas, entry, iomap)
            return VmFault.NOPAGE, entry

    class memory(Memory):
        def pte_references(self) -> int:
            return 1

        async def zap_pte_range(self, tlb: MmuGather, addresses: range, even_cows: bool) -> None:
            """Who clears an entry takes over its reference; it is dropped after the flush.

            A page that could be written to until the flush keeps its map count until then, too, so the flush comes
            under the lock. Known deviations: entries of one folio go one by one, and the batch never fills up.
            """
            mm = tlb.mm
            ptl = mm.ptl(addresses[0])
            delayed = []
            await ptl.acquire()
            for address in addresses:
                slot = mm.slots[address]
                if not even_cows and mm.anon_vma and self.k.is_ram(await slot.read()):
                    continue
                pte = await slot.exchange(None)
                if pte is None:
                    continue
                tlb.addresses.append(address)
                if pte.zero:
                    continue
                page = self.k.pages[pte.pfn]
                folio = await page.head.read()
                if pte.dirty and not page.ram:
                    # folio_mark_dirty asks the file that the folio names.
                    await folio.mapping.read()
                    delayed.append(page)
                else:
                    await folio.mapcount.add(-1)
                tlb.pages.append(page)
            if delayed:
                await self.k.tlb.tlb_flush_mmu_tlbonly(tlb)
                for page in delayed:
                    folio = await page.head.read()
                    await folio.mapcount.add(-1)
            await ptl.release()
            if delayed:
                await self.k.tlb.tlb_flush_mmu(tlb)

    class cow(Cow):
        async def do_wp_page(self, vmf: Fault, orig: Pte) -> VmFault:
            """A page of a file is an ordinary one, which is held while it is copied."""
            if orig.zero or self.k.is_ram(orig) or vmf.unshare:
                return await super().do_wp_page(vmf, orig)
            folio = await self.k.pages[orig.pfn].head.read()
            await folio.refcount.add(1)
            await vmf.vma.mm.ptl(vmf.address).release()
            return await self.wp_page_copy(vmf, orig, folio)

        async def copy_for_wp(self, new: Page, old: Page | None, vmf: Fault, orig: Pte) -> bool:
            if old is None or old.ram:
                return await super().copy_for_wp(new, old, vmf, orig)
            await self.k.blocks[new.pfn].write(await self.k.blocks[orig.pfn].read())
            return True

    class fork(Fork):
        async def copy_present_pte(
            self, new: Vma, vma: Vma, address: int, prealloc: Page | None
        ) -> tuple[bool, Page | None]:
            """The child's entry holds a reference of its own on a page of a file, too."""
            pte = await vma.mm.slots[address].read()
            if pte is not None and not pte.zero and not self.k.is_ram(pte):
                folio = await self.k.pages[pte.pfn].head.read()
                await folio.refcount.add(1)
                await folio.mapcount.add(1)
            return await super().copy_present_pte(new, vma, address, prealloc)

    class huge_memory(HugeMemory):
        async def zap_huge_pmd(self, tlb: MmuGather, address: int) -> bool:
            mm = tlb.mm
            pmd = mm.pmd(address)
            await mm.pmd_lock.acquire()
            old = await pmd.read()
            if isinstance(old, Pte):
                await pmd.write(None)
                tlb.addresses.extend(mm.pmd_addresses(address))
                if not old.zero:
                    folio = await self.k.pages[old.pfn].head.read()
                    await folio.mapcount.add(-1)
                    tlb.pages.append(self.k.pages[old.pfn])
            await mm.pmd_lock.release()
            return isinstance(old, Pte)

        async def _split_huge_pmd(self, mm: Mm, address: int) -> None:
            """The reference is dropped under the lock; if it was the last one, that is where its waiters are woken."""
            pmd = mm.pmd(address)
            await mm.pmd_lock.acquire()
            old = await pmd.read()
            if isinstance(old, Pte):
                await pmd.write(None)
                await self.k.tlb.flush_tlb_mm_range(mm, list(mm.pmd_addresses(address)))
                if not old.zero:
                    folio = await self.k.pages[old.pfn].head.read()
                    if old.dirty:
                        await folio.mapping.read()
                    await folio.mapcount.add(-1)
                    await self.k.memremap.folio_put_refs(folio, 1)
            await mm.pmd_lock.release()

        async def follow_devmap_pmd(
            self, mm: Mm, address: int, flags: int, pgmap: DevPagemap | None
        ) -> tuple[Page | None, DevPagemap | None, int]:
            """Known deviation: one page at a time, where the kernel takes all that are wanted of the folio."""
            pmd = await mm.pmd(address).read()
            if not isinstance(pmd, Pte) or pmd.zero or (flags & Foll.WRITE and not pmd.write):
                return None, None, 0
            page = self.k.pages[pmd.sub(address % mm.pmd_pages).pfn]
            if not await self.k.gup.try_grab_page(page, flags):
                return None, None, -ENOMEM
            return page, None, 0

    class memremap(Memremap):
        async def put_devmap_managed_page_refs(self, page: Page, refs: int) -> bool:
            return False

        async def free_zone_device_page(self, page: Page) -> None:
            """The last reference is gone, and the page may be anybody's by now (mm/memremap.c, v6.19)."""
            pgmap = await page.pgmap.read()
            if pgmap.type is MemoryType.FS_DAX:
                await wake_up_var(self.k.var_waitqueues, page.address)
            else:
                await page.refcount.set(1)

    class gup(Gup):
        async def folio_test_large(self, folio: Page) -> bool:
            """Whether a folio has several pages, so that its pins are counted on their own (mm/gup.c, v6.19)."""
            return await folio.order.read() > 1

        async def gup_get_dev_pagemap(self, pfn: int, pgmap: DevPagemap | None) -> tuple[DevPagemap | None, bool]:
            return None, True

        def fast_path_stops(self, flags: int) -> bool:
            return False

        async def try_grab_page(self, page: Page, flags: int) -> bool:
            folio = await page.head.read()
            if await folio.refcount.read() <= 0:
                self.k.warn("try_grab_page: page is free", page)
                return False
            if flags & Foll.GET:
                await folio.refcount.add(1)
            elif await self.folio_test_large(folio):
                await folio.refcount.add(1)
                await folio.pincount.add(1)
            else:
                await folio.refcount.add(self.k.machine.bias)
            return True

        async def try_grab_folio(self, page: Page, refs: int, flags: int) -> Page | None:
            folio = await self.try_get_folio(page, refs)
            if folio is None or flags & Foll.GET:
                return folio
            if flags & Foll.LONGTERM and not await self.folio_is_longterm_pinnable(folio):
                await self.k.memremap.folio_put_refs(folio, refs)
                return None
            if await self.folio_test_large(folio):
                await folio.pincount.add(refs)
            else:
                await folio.refcount.add(refs * (self.k.machine.bias - 1))
            return folio

        async def folio_is_longterm_pinnable(self, folio: Page) -> bool:
            """Whether a pin without an end may be taken (include/linux/mm.h, v6.19): not of a file system's page."""
            pgmap = await folio.pgmap.read()
            return pgmap.type is not MemoryType.FS_DAX

        async def gup_put_folio(self, folio: Page, refs: int, flags: int) -> None:
            if flags & Foll.PIN:
                if await self.folio_test_large(folio):
                    await folio.pincount.add(-refs)
                else:
                    refs *= self.k.machine.bias
            await self.k.memremap.folio_put_refs(folio, refs)

        async def gup_device_leaf(
            self, pfns: range, flags: int, pages: list[Page], unchanged: Callable[[], Awaitable[bool]]
        ) -> bool:
            """One grab for all pages."""
            folio = await self.try_grab_folio(self.k.pages[pfns.start], len(pfns), flags)
            if folio is None:
                return False
            if not await unchanged():
                await self.gup_put_folio(folio, len(pfns), flags)
                return False
            pages.extend(self.k.pages[pfns.start : pfns.stop])
            return True
