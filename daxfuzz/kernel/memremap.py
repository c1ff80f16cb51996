"""Device page maps: the lifetime of device pages (mm/memremap.c, include/linux/mm.h, v6.0)."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Generator, Hashable, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.sim import Access, Completion, PercpuRef, Point, Shared, wake_up_var

if TYPE_CHECKING:
    from daxfuzz.kernel.block import Block
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.page import Page
    from daxfuzz.sim import World


class MemoryType(StrEnum):
    """enum memory_type, as far as DAX has them."""

    FS_DAX = "MEMORY_DEVICE_FS_DAX"
    GENERIC = "MEMORY_DEVICE_GENERIC"
    NONE = "no device memory"
    """For pages of ordinary memory, where the kernel tests is_zone_device_page instead."""


class DevPagemap:
    """struct dev_pagemap.

    ref: live from birth, with one reference of its own and those that pages are born with; dying once it is killed,
        drained at 0.
    done: completed when `ref` drains.
    nr: pages of each of its compound pages, 1 if it has none (pgmap_vmemmap_nr).
    """

    __slots__ = ("done", "name", "nr", "ref", "type")

    def __init__(self, world: World, name: str, kind: MemoryType, born: int, nr: int = 1) -> None:
        self.name = name
        self.type = kind
        self.nr = nr
        self.done = Completion(world, f"{name}.done")
        self.ref = PercpuRef(world, f"{name}.ref", self.done.complete, count=born + 1)

    def __repr__(self) -> str:
        return self.name


class MemHotplug(Shared):
    """mem_hotplug_lock, and what is done under it: all of it is one step, since nobody else takes this lock here.

    on_remove: called in the step in which memory goes.
    """

    __slots__ = ("_remove", "on_remove")
    TRACKED = True

    def __init__(self, world: World) -> None:
        super().__init__(world, "mem_hotplug")
        self.on_remove: Callable[[], None] | None = None
        self._remove = self.point(Access.UPDATE, "remove", wide=True)

    @types.coroutine
    def remove(self, pages: Sequence[Page], blocks: Sequence[Block]) -> Generator[Point, None, None]:
        """The structs of the pages and the kernel's mapping of the blocks are gone."""
        yield self._remove
        if self.on_remove is not None:
            self.on_remove()
        for page in pages:
            page.free()
        for block in blocks:
            self.world.free(block)

    def state(self) -> Hashable:
        return ()

    def restore(self, state: Any) -> None:
        return


class Memremap(Subsystem):
    """The functions that count references of device pages and of their page map."""

    def born_references(self, folios: int) -> int:
        """References on a page map that its pages are born with: one each, and one for each compound page."""
        return folios

    def pfn_len(self, pgmap: DevPagemap) -> int:
        """Number of its pages, in which a compound page counts as one."""
        return self.k.device_pages // pgmap.nr

    def memmap_init_compound(self, head: Page, nr: int) -> None:
        """Make pages the tails of a compound page, for good, before the world is sealed (mm/page_alloc.c, v6.0)."""
        head.large = True
        head.order.value = nr
        for page in self.k.pages[head.pfn + 1 : head.pfn + nr]:
            page.head.value = head
            page.refcount.value = 0

    def entry_pgmap_references(self, entry: Entry) -> int:
        """References that an entry holds on the page map, for observers."""
        return 0

    def page_pgmap_references(self, refcount: int) -> int:
        """References that a page with such a count holds on the page map because it is in use, for observers."""
        return 0

    def pgmap_references(self, entries: Iterable[Entry], refcounts: Iterable[int]) -> int:
        """References that the page map has while nothing is in flight and it is not dying, for observers.

        entries: of all files. refcounts: of all pages.
        """
        held = sum(self.entry_pgmap_references(entry) for entry in entries)
        return 1 + self.born_references(self.pfn_len(self.k.pgmap)) + held

    async def get_dev_pagemap(self, pfn: int, pgmap: DevPagemap | None) -> DevPagemap | None:
        """Find the page map of a page and take a reference, unless `pgmap` is it already; None once it is dying."""
        if pgmap is not None:
            # The range of the only device there is covers every page.
            return pgmap
        await self.k.rcu.read_lock()
        found = await self.k.pgmap_array.read()
        if found is not None and not await found.ref.tryget_live():
            found = None
        await self.k.rcu.read_unlock()
        return found

    async def put_dev_pagemap(self, pgmap: DevPagemap | None) -> None:
        """Drop a reference that get_dev_pagemap took."""
        if pgmap is not None:
            await pgmap.ref.put()

    def page_ref_sub_return(self, page: Page, refs: int) -> Awaitable[int]:
        """Drop references: the count that is left."""
        return page.refcount.add_return(-refs)

    async def put_devmap_managed_page_refs(self, page: Page, refs: int) -> bool:
        """Drop references of a file-system DAX page and wake whoever waits for it to become idle.

        False, and nothing done, for any other page. The type is read before the reference is gone; afterwards only
        the address of the count is used.
        """
        pgmap = await page.pgmap.read()
        if pgmap.type is not MemoryType.FS_DAX:
            return False
        if await self.page_ref_sub_return(page, refs) == 1:
            await wake_up_var(self.k.var_waitqueues, page.refcount_address)
        return True

    async def folio_put_refs(self, folio: Page, refs: int) -> int:
        """Drop references; the last one frees the page. The count that is left."""
        count = await self.page_ref_sub_return(folio, refs)
        if count == 0:
            await self._folio_put(folio)
        return count

    async def _folio_put(self, folio: Page) -> None:
        """The last reference is gone."""
        if folio.ram:
            await self.k.page_alloc.free_unref_page(folio)
        else:
            await self.free_zone_device_page(folio)

    async def free_zone_device_page(self, page: Page) -> None:
        """A file-system DAX page has no page_free operation, so a count of 0 is a bug that the kernel warns of."""
        self.k.warn("free_zone_device_page: no page_free operation", page)

    async def put_page(self, page: Page) -> None:
        """Drop one FOLL_GET reference."""
        folio = await page.head.read()
        if await self.put_devmap_managed_page_refs(folio, 1):
            return
        await self.folio_put_refs(folio, 1)

    async def release_pages(self, pages: Sequence[Page]) -> None:
        """Drop one FOLL_GET reference of each page (mm/swap.c, v6.0); those of devices go one by one."""
        for page in pages:
            folio = await page.head.read()
            if not await self.put_devmap_managed_page_refs(folio, 1):
                await self.folio_put_refs(folio, 1)

    async def memunmap_pages(self, pgmap: DevPagemap) -> None:
        """Tear the page map down: kill, drop the references of all pages at once, wait until it drains.

        It does not look at the reference counts of pages.
        """
        await pgmap.ref.kill()
        await self.synchronize_rcu()
        await self.put_born_references(pgmap)
        await pgmap.done.wait()
        await self.pageunmap_range(pgmap)

    async def synchronize_rcu(self) -> None:
        """A grace period: read sections end, and those with interrupts off, which are such sections, too.

        percpu_ref_kill has one of its own: the count cannot drain before it is over. Known deviation: the kernel
        does not wait for that one before it drops what pages were born with.
        """
        await self.k.rcu.synchronize()
        await self.k.interrupts.call_function([task.index for task in self.k.world.tasks], lambda task: None)

    async def pageunmap_range(self, pgmap: DevPagemap) -> None:
        """Remove the memory of the only range there is.

        The page structs go before the page map is out of sight: who finds it still cannot get a reference.
        """
        await self.arch_remove_memory()
        await self.k.pgmap_array.write(None)
        await self.synchronize_rcu()

    def arch_remove_memory(self) -> Awaitable[None]:
        """Free the device's page structs and unmap its memory."""
        return self.k.mem_hotplug.remove(self.k.pages[: self.k.device_pages], self.k.blocks[: self.k.device_pages])

    async def put_born_references(self, pgmap: DevPagemap) -> None:
        """The part of memunmap_pages that drops what pages were born with."""
        await pgmap.ref.put(self.pfn_len(pgmap))
