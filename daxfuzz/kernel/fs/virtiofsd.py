"""The server of a virtio-fs mount, on the host (virtiofsd): the answers to the requests of fuse.

Known deviation: its own source was not read; it does what its callers expect of it (fs/fuse/dax.c, v6.0).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import ENOTCONN
from daxfuzz.kernel.fs.filesystem import Falloc
from daxfuzz.kernel.fs.fuse_conn import View
from daxfuzz.kernel.inode import block_of
from daxfuzz.kernel.subsystem import Subsystem

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.fuse_conn import Dmap, FuseConnDax
    from daxfuzz.kernel.inode import Inode


class Virtiofsd(Subsystem):
    """Keeps the files, and maps slices of them into ranges of the guest's DAX window.

    A page of the window is the host's page of whatever file is mapped there, so a device that writes to a pinned
    page of a range writes to the file that has the range now. The model moves the data instead of mapping it: a page
    that is mapped has its data in the window's block, and takes it along when it is unmapped.

    In the block allocator, a page of the window belongs to the file page that is mapped there; it is free while
    nothing is mapped there or the host's file ends before it.

    Known deviation: requests are answered one after the other, in a few steps of the task that sends them, and fail
    only when the device is gone. What a system call of the host does to the window is not seen half done.
    """

    def conn(self) -> FuseConnDax:
        """The window."""
        conn = self.k.fuse_conn
        assert conn is not None, "only a fuse mount has a window"
        return conn

    def pages(self, inode: Inode, start: int) -> range:
        """File pages of a slice."""
        size = self.conn().range_pages
        return range(start * size, min((start + 1) * size, len(inode.extents)))

    # -- requests: 0, or -ENOTCONN without a device ------------------------------------------------------------------

    async def enqueue_req(self, answer: Callable[[], Awaitable[None]]) -> int:
        """Send a request and wait for the answer; who removes the device waits for it, too.

        (fs/fuse/virtio_fs.c, virtio_fs_enqueue_req and inc_in_flight_req, v6.0)
        """
        if not await self.k.q_usage.tryget_live():
            return -ENOTCONN
        server = self.conn().server
        await server.acquire()
        await answer()
        await server.release()
        await self.k.q_usage.put()
        return 0

    def do_open(self, inode: Inode, truncate: bool) -> Awaitable[int]:
        """FUSE_OPEN, which truncates with O_TRUNC (atomic_o_trunc)."""
        return self.enqueue_req(lambda: self.open(inode, truncate))

    def do_setupmapping(self, inode: Inode, start: int, dmap: Dmap, writable: bool) -> Awaitable[int]:
        """FUSE_SETUPMAPPING"""
        return self.enqueue_req(lambda: self.setupmapping(inode, start, dmap, writable))

    def do_removemapping(self, dmap: Dmap) -> Awaitable[int]:
        """FUSE_REMOVEMAPPING"""
        return self.enqueue_req(lambda: self.removemapping(dmap))

    def do_truncate(self, inode: Inode, size: int) -> Awaitable[int]:
        """FUSE_SETATTR of the size"""
        return self.enqueue_req(lambda: self.truncate(inode, size))

    def do_fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> Awaitable[int]:
        """FUSE_FALLOCATE"""
        return self.enqueue_req(lambda: self.fallocate(inode, mode, first, length))

    def do_write(self, inode: Inode, index: int, value: int) -> Awaitable[int]:
        """FUSE_WRITE"""
        return self.enqueue_req(lambda: self.write(inode, index, value))

    # -- answers -----------------------------------------------------------------------------------------------------

    async def open(self, inode: Inode, truncate: bool) -> None:
        """open on the host"""
        if truncate:
            await self.truncate(inode, 0)

    async def setupmapping(self, inode: Inode, start: int, dmap: Dmap, writable: bool) -> None:
        """mmap(MAP_FIXED) a slice of a file over whatever was mapped in the range."""
        conn = self.conn()
        view = View(inode.number, start, writable)
        old = await conn.window[dmap.number].exchange(view)
        if old is not None:
            if (old.inode, old.start) == (view.inode, view.start):
                return
            await self.unmap_view(old, dmap)
        size = await inode.fuse.host_size.read()
        first = conn.pfns(dmap.number).start
        for offset, index in enumerate(self.pages(inode, start)):
            if index < size:
                await self.map_page(inode, index, first + offset)

    async def removemapping(self, dmap: Dmap) -> None:
        """Unmap whatever is mapped in a range."""
        old = await self.conn().window[dmap.number].exchange(None)
        if old is not None:
            await self.unmap_view(old, dmap)

    async def unmap_view(self, view: View, dmap: Dmap) -> None:
        """Take the pages of a slice out of a range."""
        inode = self.k.inode_by_number(view.inode)
        first = self.conn().pfns(dmap.number).start
        for offset, index in enumerate(self.pages(inode, view.start)):
            if await inode.extents[index].read() == first + offset:
                await self.unmap_page(inode, index, first + offset)

    async def map_page(self, inode: Inode, index: int, pfn: int) -> None:
        """A page of the window becomes a page of a file."""
        await self.k.allocator.claim(pfn, inode.number, index)
        await inode.extents[index].write(pfn)
        data = await inode.fuse.host_pages[index].read()
        await self.k.blocks[pfn].fill(data)

    async def unmap_page(self, inode: Inode, index: int, pfn: int) -> None:
        """A page of the window is nobody's any more; the host's page keeps the data."""
        await self.k.allocator.free(pfn, inode.number, index)
        await inode.extents[index].write(None)
        data = await self.k.blocks[pfn].drain()
        await inode.fuse.host_pages[index].write(data)

    async def zero_page(self, inode: Inode, index: int) -> None:
        """A page of the host's file is zeroed, mapped or not."""
        await inode.fuse.host_pages[index].write(0)
        pfn = block_of(await inode.extents[index].read())
        if pfn is not None:
            await self.k.blocks[pfn].zero()

    async def truncate(self, inode: Inode, size: int) -> None:
        """ftruncate on the host: pages beyond the size go from the window, too; those that are new come into it."""
        old = await inode.fuse.host_size.exchange(size)
        for index in range(size, old):
            await self.zero_page(inode, index)
            pfn = block_of(await inode.extents[index].read())
            if pfn is not None:
                await self.unmap_page(inode, index, pfn)
        for index in range(old, size):
            await self.map_new_page(inode, index)

    async def map_new_page(self, inode: Inode, index: int) -> None:
        """A file has grown by a page: it shows up in the range that its slice is mapped in."""
        conn = self.conn()
        start, offset = divmod(index, conn.range_pages)
        for number, window in enumerate(conn.window):
            view = await window.read()
            if view is not None and (view.inode, view.start) == (inode.number, start):
                await self.map_page(inode, index, conn.pfns(number).start + offset)

    async def fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> None:
        """fallocate on the host: the file may grow, and pages be zeroed, which the window goes on showing."""
        end = min(first + length, len(inode.extents))
        if mode in (Falloc.ZERO_RANGE, Falloc.ALLOCATE):
            await self.grow(inode, end)
        if mode in (Falloc.ZERO_RANGE, Falloc.PUNCH_HOLE):
            for index in range(first, end):
                await self.zero_page(inode, index)

    async def write(self, inode: Inode, index: int, value: int) -> None:
        """pwrite on the host."""
        await self.grow(inode, index + 1)
        await inode.fuse.host_pages[index].write(value)
        pfn = block_of(await inode.extents[index].read())
        if pfn is not None:
            await self.k.blocks[pfn].fill(value)

    async def grow(self, inode: Inode, size: int) -> None:
        """A call that needs so many pages makes the file larger, not smaller."""
        if size > await inode.fuse.host_size.read():
            await self.truncate(inode, size)
