"""read(2) and write(2) of DAX files, O_DIRECT or not (fs/dax.c, dax_iomap_rw and below, v6.0)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EFAULT, EINTR, EIO, ENOSPC
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.sim import Signal

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.filesystem import Iomap, UserCopy
    from daxfuzz.kernel.inode import Inode


class DaxIo(Subsystem):
    """Copies between user memory and blocks, a page at a time. It takes neither entry locks nor invalidate_lock."""

    async def dax_iomap_rw(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> int:
        """Write one page; i_rwsem is held: 0 or a negative error.

        copy: touches the user's buffer, where that is memory that may fault; None if it cannot.
        """
        if not inode.i_rwsem.held_for_write():
            self.k.warn("dax_iomap_rw: i_rwsem is not held", None)
        iomap = await self.k.fs.iomap_begin(inode, index, True)
        if iomap is None:
            return -ENOSPC
        if iomap.error:
            return iomap.error
        error = await self.dax_iomap_iter(inode, index, iomap, value, copy)
        end = await self.iomap_end(inode, index, iomap, 0 if error else 1)
        return error or end

    def iomap_end(self, inode: Inode, index: int, iomap: Iomap, written: int) -> Awaitable[int]:
        """The file system's (part of iomap_iter)."""
        return self.k.fs.iomap_end(inode, index, True, iomap, written)

    async def dax_iomap_iter(self, inode: Inode, index: int, iomap: Iomap, value: int, copy: UserCopy | None) -> int:
        """Write into one extent: first remove what mappings made of the hole that was here."""
        if iomap.pfn is None:
            self.k.warn("dax_iomap_iter: nothing is mapped", None)
            return -EIO
        if self.invalidates(iomap):
            await self.k.truncate.invalidate_inode_pages2_range(inode.i_mapping, index, index)
        await self.k.dax_srcu.read_lock()
        error = await self.copy_page(iomap.pfn, value, copy)
        await self.k.dax_srcu.read_unlock()
        return error

    def invalidates(self, iomap: Iomap) -> bool:
        """Whether mappings and entries may disagree with the extent from now on."""
        return iomap.new

    def pagefault_disabled(self) -> bool:
        """Whether the user's page must be there when its data is copied."""
        return False

    async def copy_page(self, block: int, value: int, copy: UserCopy | None) -> int:
        """Copy from the user, inside the section that keeps the device; the user's page may have to be faulted in."""
        if self.k.world.current.signal is Signal.FATAL:
            return -EINTR
        if not await self.k.dax_alive.read():
            return -EIO
        if copy is not None and not await copy(self.pagefault_disabled()):
            return -EFAULT
        await self.k.blocks[block].copy_from_iter(value)
        return 0
