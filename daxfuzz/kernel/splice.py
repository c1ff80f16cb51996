"""Pages in pipes (fs/splice.c and fs/pipe.c, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EAGAIN
from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.kept import Kept
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.sim import GuardedCell, Mutex

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.sim import World


class Pipe:
    """struct pipe_inode_info. bufs: pages in it, the oldest first."""

    __slots__ = ("bufs", "max_usage", "mutex")

    def __init__(self, world: World, max_usage: int) -> None:
        self.mutex = Mutex(world, "pipe.mutex", "pipe_mutex")
        self.bufs: GuardedCell[tuple[Kept, ...]] = GuardedCell(world, "pipe.bufs", ())
        self.max_usage = max_usage


class Splice(Subsystem):
    """Both ends are non-blocking (SPLICE_F_NONBLOCK, O_NONBLOCK)."""

    async def vmsplice_to_pipe(self, mm: Mm, inode: Inode, index: int, address: int) -> int:
        """Put a page of the caller's memory into the pipe, where it stays until somebody reads it: 0, -EAGAIN if the
        pipe is full, or the error of GUP. The pipe is locked around GUP, too."""
        pipe = self.k.pipe
        await pipe.mutex.acquire()
        error = -EAGAIN
        if len(await pipe.bufs.read()) < pipe.max_usage:
            error = 0
            pages = await self.k.gup.internal_get_user_pages_fast(mm, range(address, address + 1), Foll.GET)
            if isinstance(pages, int):
                error = pages
            else:
                kept = Kept(pages[0].pfn, self.k.world.current.index, inode.number, index)
                await pipe.bufs.write((*await pipe.bufs.read(), kept))
        await pipe.mutex.release()
        return error

    async def pipe_read(self) -> int:
        """Read one page out of the pipe and drop its reference: the data, or -EAGAIN if the pipe is empty."""
        pipe = self.k.pipe
        await pipe.mutex.acquire()
        result = -EAGAIN
        bufs = await pipe.bufs.read()
        if bufs:
            page = self.k.pfn_to_page(bufs[0].pfn)
            block = self.k.zero_page if page is self.k.zero_folio else self.k.blocks[page.pfn]
            result = await block.read()
            await pipe.bufs.write(bufs[1:])
            await self.k.memremap.put_page(page)
        await pipe.mutex.release()
        return result
