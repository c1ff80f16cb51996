"""The pages of ordinary memory, and the allocator that hands them out (mm/page_alloc.c, v6.0)."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.sim import Access, Point, Shared, Signal

if TYPE_CHECKING:
    from daxfuzz.kernel.page import Page
    from daxfuzz.sim import World


class FreeList(Shared):
    """The free pages of memory: the one with the lowest number is handed out, so that a freed one is reused soon.

    used: for each page, from `first` on, whether it is allocated.
    on_free: called with a pfn just before it becomes free.
    """

    __slots__ = ("_allocate", "_free", "first", "on_free", "used")
    GUARDED = ("used",)
    TRACKED = True

    def __init__(self, world: World, first: int, pages: int) -> None:
        super().__init__(world, "free_area")
        self.first = first
        self.used = [False] * pages
        self.on_free: Callable[[int], None] | None = None
        self._allocate = self.point(Access.UPDATE, "rmqueue")
        self._free = self.point(Access.UPDATE, "free")

    @types.coroutine
    def allocate(self) -> Generator[Point, None, int | None]:
        """A free page's pfn, None if there is none."""
        yield self._allocate
        number = next((number for number, used in enumerate(self.used) if not used), None)
        self.log.append(number)
        if number is None:
            return None
        self.used[number] = True
        if self.clean:
            self.touch()
        return self.first + number

    @types.coroutine
    def free(self, pfn: int) -> Generator[Point, None, None]:
        """Take a page back."""
        yield self._free
        if self.on_free is not None:
            self.on_free(pfn)
        self.used[pfn - self.first] = False
        if self.clean:
            self.touch()

    def state(self) -> Hashable:
        return tuple(self.used)

    def restore(self, state: Any) -> None:
        self.used = list(state)


class PageAlloc(Subsystem):
    """Anonymous pages from allocation to free. Known deviation: no zeroing, no LRU lists, no swap."""

    async def alloc_page_vma(self) -> Page | None:
        """A page with one reference that nothing maps yet; None when memory is used up."""
        if self.k.machine.low_memory and not await self.reclaim_and_charge():
            return None
        pfn = await self.k.free_list.allocate()
        if pfn is None:
            return None
        page = self.k.pages[pfn]
        await page.refcount.set(1)
        return page

    async def reclaim_and_charge(self) -> bool:
        """Make room in the caller's memory control group, and charge it: not for a task that is to die anyway
        (try_charge_memcg, mm/memcontrol.c, v6.0). Nothing that reclaim does here allocates memory."""
        await self.k.vmscan.try_to_free_pages()
        return self.k.world.current.signal is not Signal.FATAL

    async def free_unref_page(self, page: Page) -> None:
        """The last reference is gone."""
        if await page.mapcount.read():
            self.k.warn("free_unref_page: bad page state, still mapped", page)
        await page.anon_exclusive.write(False)
        await self.k.free_list.free(page.pfn)
