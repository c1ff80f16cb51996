"""Direct reads from another file into a mapping (fs/iomap/direct-io.c and block/bio.c, v6.0)."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.kept import Kept
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.sim import Access, Point, Shared

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.kernel.page import Page
    from daxfuzz.sim import Task, World


class RequestQueue(Shared):
    """What a device has to do.

    queued: requests that it has not begun, the oldest first.
    running: those that it works on.
    on_submit, on_done: called with a request when it comes in, and when the device gives its page back.
    """

    __slots__ = ("_done", "_submit", "_take", "idle", "on_done", "on_submit", "queued", "running")
    GUARDED = ("idle", "queued", "running")
    ARRIVAL = True
    TRACKED = True

    def __init__(self, world: World) -> None:
        super().__init__(world, "request_queue")
        self.queued: list[Kept] = []
        self.running: list[Kept] = []
        self.idle: list[Task] = []
        self.on_submit: Callable[[Kept], None] | None = None
        self.on_done: Callable[[Kept], None] | None = None
        self._submit = self.point(Access.UPDATE, "submit")
        self._take = self.point(Access.UPDATE, "take")
        self._done = self.point(Access.UPDATE, "done")

    @types.coroutine
    def submit(self, bio: Kept) -> Generator[Point, None, None]:
        """Hand a request to the device."""
        yield self._submit
        if self.clean:
            self.touch()
        self.queued.append(bio)
        if self.on_submit is not None:
            self.on_submit(bio)
        for task in self.idle:
            self.world.enable(task)

    @types.coroutine
    def take(self) -> Generator[Point, None, Kept]:
        """The device waits until there is a request, and begins with the oldest."""
        me = self.world.current
        if self.clean:
            self.touch()
        self.idle.append(me)
        if not self.queued:
            self.world.block(me, self)
        yield self._take
        self.idle.remove(me)
        bio = self.queued.pop(0)
        self.running.append(bio)
        if not self.queued:
            for task in self.idle:
                self.world.block(task, self)
        self.log.append(bio)
        return bio

    @types.coroutine
    def done(self, bio: Kept) -> Generator[Point, None, None]:
        """The device has done a request."""
        yield self._done
        self.running.remove(bio)
        if self.on_done is not None:
            self.on_done(bio)

    def state(self) -> Hashable:
        return tuple(self.queued), tuple(self.running)

    def restore(self, state: Any) -> None:
        queued, running = state
        self.queued = list(queued)
        self.running = list(running)
        self.idle = []


class DirectIo(Subsystem):
    """The buffer's pages are held by plain references (FOLL_GET) until the device has filled them.

    Known deviation: pages are not marked dirty at submission (bio_set_pages_dirty), and all are put at completion.
    """

    async def iomap_dio_rw(self, mm: Mm, inode: Inode, first: int, addresses: range, value: int) -> int:
        """Submit reads into the given addresses, as io_submit does, without waiting for them: the number of pages
        submitted, or an error if there is none. All references are taken before the first read is submitted.

        first: the file page of the first address. value: what the file has that is read.
        """
        pages = await self.bio_iov_iter_get_pages(mm, addresses)
        if isinstance(pages, int):
            return pages
        me = self.k.world.current.index
        for offset, page in enumerate(pages):
            await self.k.request_queue.submit(Kept(page.pfn, me, inode.number, first + offset, True, value))
        return len(pages)

    async def bio_endio(self) -> Kept:
        """The device fills one page, and the completion puts it: in interrupt context, with no lock that sleeps."""
        bio = await self.k.request_queue.take()
        await self.k.blocks[bio.pfn].dma_write(bio.value)
        await self.k.request_queue.done(bio)
        await self._bio_release_pages(self.k.pages[bio.pfn])
        return bio

    async def bio_iov_iter_get_pages(self, mm: Mm, addresses: range) -> list[Page] | int:
        """Take the references of a bio: the pages at the addresses, or an error if there is none."""
        return await self.k.gup.internal_get_user_pages_fast(mm, addresses, Foll.GET | Foll.WRITE)

    async def _bio_release_pages(self, page: Page) -> None:
        """__bio_release_pages, of one page."""
        await self.k.memremap.put_page(page)
