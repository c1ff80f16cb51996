"""What the rest of the kernel asks a file system."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.kernel.subsystem import Subsystem

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.memory import Fault, VmFault


class Iomap(NamedTuple):
    """struct iomap and its source: the extent at a file page.

    pfn: its block, None for a hole or an unwritten extent that is read.
    new: IOMAP_F_NEW, just allocated.
    shared: IOMAP_F_SHARED, other file pages have the block, too; a write gets `pfn` for its copy of `source`.
    dirty: IOMAP_F_DIRTY, metadata is not durable yet.
    pages: length from the file page on, no longer than asked for; the blocks are contiguous.
    """

    pfn: int | None
    new: bool = False
    shared: bool = False
    source: int | None = None
    dirty: bool = False
    pages: int = 1


class Filesystem(Subsystem):
    """One file system. Sizes, offsets and lengths are in pages."""

    name = ""

    def dax_fault(self, vmf: Fault) -> Awaitable[VmFault]:
        """vm_ops->fault, vm_ops->huge_fault and vm_ops->pfn_mkwrite"""
        raise NotImplementedError

    def iomap_begin(self, inode: Inode, index: int, write: bool, pages: int = 1) -> Awaitable[Iomap | None]:
        """Look the extent up, up to a length, allocating it for a write; None if the device is full."""
        raise NotImplementedError

    async def do_truncate(self, inode: Inode, size: int) -> int:
        """truncate(2) below the VFS: i_rwsem around notify_change."""
        await inode.i_rwsem.down_write()
        error = await self.setattr_size(inode, size)
        await inode.i_rwsem.up_write()
        return error

    def setattr_size(self, inode: Inode, size: int) -> Awaitable[int]:
        """notify_change with ATTR_SIZE; i_rwsem is held: 0 or a negative error."""
        raise NotImplementedError

    def fallocate_punch_hole(self, inode: Inode, first: int, length: int) -> Awaitable[int]:
        """fallocate(FALLOC_FL_PUNCH_HOLE): 0 or a negative error."""
        raise NotImplementedError

    def fsync(self, inode: Inode) -> Awaitable[int]:
        """fsync: 0 or a negative error."""
        return self.vfs_fsync_range(inode, 0, len(inode.extents) - 1)

    def vfs_fsync_range(self, inode: Inode, first: int, last: int) -> Awaitable[int]:
        """fsync of a range of file pages, both ends included: 0 or a negative error."""
        raise NotImplementedError
