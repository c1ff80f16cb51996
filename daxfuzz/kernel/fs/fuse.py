"""virtio-fs with DAX (fs/fuse/dir.c, file.c, inode.c, v6.0); for the DAX part see fuse_dax.py.

Known deviation: the server does not fail.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, ClassVar

from daxfuzz.kernel.errno import ENOENT, EOPNOTSUPP
from daxfuzz.kernel.fs.filesystem import Falloc, Filesystem, Iomap, UserCopy
from daxfuzz.kernel.fs.fuse_conn import FuseConnDax, FuseInode, View
from daxfuzz.kernel.mm import VmFlag

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.fuse_conn import Dmap
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.memory import Fault, VmFault


class Fuse(Filesystem):
    """Order: sb_start_write, i_rwsem, mmap_lock, sb_start_pagefault, invalidate_lock, entry lock, fi.dax.sem,
    fcd.lock."""

    name = "fuse"
    vm_flags: ClassVar[int] = VmFlag.MIXEDMAP
    freezes: ClassVar[bool] = False
    caches_unused_inodes: ClassVar[bool] = False

    # -- set-up, before the world is sealed --------------------------------------------------------------------------

    def device_pages(self, files: Mapping[str, int]) -> int:
        """The window has the size that the machine gives it, whatever the files need."""
        return self.k.machine.window_ranges * self.k.machine.pmd_pages

    def make(self) -> None:
        """The ranges of the window, all of them free; and the inodes' trees of ranges."""
        world = self.k.world
        self.k.fuse_conn = FuseConnDax(world, self.k.machine)
        for inode in self.k.inodes.values():
            inode.fuse = FuseInode(world, inode.name, len(inode.extents))

    def prefault_blocks(self, inode: Inode, index: int, pages: int) -> range:
        """The pages of the window, after giving the slice a range if it has none; none if no range is left."""
        conn = self.k.fuse_dax.conn()
        start, offset = divmod(index, conn.range_pages)
        dmap = dict(inode.fuse.tree.value).get(start) or self.prefault_range(conn, inode, start)
        if dmap is None:
            return range(0)
        pfn = conn.pfns(dmap.number).start + offset
        return range(pfn, pfn + (1 if offset else pages))

    def prefault_range(self, conn: FuseConnDax, inode: Inode, start: int) -> Dmap | None:
        """Map a slice in the first free range, for writing; None if no range is free."""
        if not conn.free_ranges.value:
            return None
        dmap = conn.free_ranges.value[0]
        conn.free_ranges.value = conn.free_ranges.value[1:]
        conn.nr_free_ranges.value -= 1
        conn.free_work.value = conn.nr_free_ranges.value < conn.threshold()
        conn.busy_ranges.value += (dmap,)
        conn.window[dmap.number].value = View(inode.number, start, True)
        dmap.inode.value = inode
        dmap.start.value = start
        dmap.writable.value = True
        inode.fuse.tree.value += ((start, dmap),)
        inode.fuse.nr.value += 1
        for index, pfn in zip(self.k.virtiofsd.pages(inode, start), conn.pfns(dmap.number), strict=False):
            self.k.allocator.table[pfn] = ((inode.number, index),)
            inode.extents[index].value = pfn
        return dmap

    # -- faults, and what they look up -------------------------------------------------------------------------------

    def dax_fault(self, vmf: Fault) -> Awaitable[VmFault]:
        """fuse_dax_vm_ops"""
        return self.k.fuse_dax._fuse_dax_fault(vmf)

    def iomap_begin(
        self, inode: Inode, index: int, write: bool, pages: int = 1, fault: bool = False
    ) -> Awaitable[Iomap | None]:
        """fuse_iomap_ops"""
        return self.k.fuse_dax.fuse_iomap_begin(inode, index, write, pages, fault)

    async def iomap_end(self, inode: Inode, index: int, write: bool, iomap: Iomap, written: int) -> int:
        """fuse_iomap_ops"""
        return await self.k.fuse_dax.fuse_iomap_end(iomap)

    # -- truncation --------------------------------------------------------------------------------------------------

    def break_file_layouts(self, inode: Inode) -> Awaitable[int]:
        """What is meant for the whole file: in v6.0 the callers ask for bytes 0 to 0, which is its first page."""
        return self.k.fuse_dax.fuse_dax_break_layouts(inode, 0, 0)

    def setattr_size(self, inode: Inode, size: int) -> Awaitable[int]:
        """fuse_dir_inode_operations"""
        return self.fuse_do_setattr(inode, size, from_open=False)

    async def fuse_do_setattr(self, inode: Inode, size: int, from_open: bool) -> int:
        """ATTR_SIZE: break the layout, have the server truncate, and only then drop the page cache.

        from_open: ATTR_OPEN, the server has truncated the file when it was opened.
        """
        mapping = inode.i_mapping
        await mapping.invalidate_lock.down_write()
        error = await self.break_file_layouts(inode)
        if not error and from_open:
            await inode.i_size.write(0)
            await self.k.truncate.truncate_pagecache(mapping, 0)
        elif not error:
            error = await self.k.virtiofsd.do_truncate(inode, size)
            old_size = size if error else await inode.i_size.exchange(size)
            if old_size != size:
                await self.k.truncate.truncate_pagecache(mapping, size)
                await self.k.truncate.invalidate_inode_pages2_range(mapping, 0, len(inode.extents) - 1)
        await mapping.invalidate_lock.up_write()
        return error

    async def do_open(self, inode: Inode, truncate: bool) -> int:
        """open(2): with O_TRUNC the server truncates (atomic_o_trunc), and the VFS truncates what is left."""
        if not truncate:
            return await self.fuse_open_common(inode, truncate)
        await self.k.sb.writers.down_read()
        error = await self.fuse_open_common(inode, truncate)
        if not error:
            await inode.i_rwsem.down_write()
            error = await self.fuse_do_setattr(inode, 0, from_open=True)
            await inode.i_rwsem.up_write()
        await self.k.sb.writers.up_read()
        return error

    async def fuse_open_common(self, inode: Inode, truncate: bool) -> int:
        """0 or a negative error. The server does not set FOPEN_KEEP_CACHE, as virtiofsd with cache=auto."""
        mapping = inode.i_mapping
        if not truncate:
            error = await self.k.virtiofsd.do_open(inode, truncate)
            if not error:
                await self.invalidate_on_open(inode)
            return error
        await inode.i_rwsem.down_write()
        await mapping.invalidate_lock.down_write()
        error = await self.break_file_layouts(inode)
        if error:
            await self.abort_open(inode)
        else:
            error = await self.k.virtiofsd.do_open(inode, truncate)
            if not error:
                await inode.i_size.write(0)
                await self.k.truncate.truncate_pagecache(mapping, 0)
            await mapping.invalidate_lock.up_write()
        await inode.i_rwsem.up_write()
        return error

    async def abort_open(self, inode: Inode) -> None:
        """What fuse_open_common does about invalidate_lock when a signal has ended the wait: nothing."""

    async def invalidate_on_open(self, inode: Inode) -> None:
        """Other users of the server may have changed the file: forget what is clean, whoever uses it."""
        await self.k.truncate.invalidate_inode_pages2_range(inode.i_mapping, 0, len(inode.extents) - 1)

    def fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> Awaitable[int]:
        """fuse_file_operations"""
        return self.fuse_file_fallocate(inode, mode, first, length)

    async def fuse_file_fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> int:
        """Break the layout and have the server do it: 0, -EOPNOTSUPP, or a signal's error.

        Preallocation that keeps the size takes no lock at all in v6.0.
        """
        if mode in (Falloc.COLLAPSE_RANGE, Falloc.INSERT_RANGE):
            return -EOPNOTSUPP
        if mode is Falloc.KEEP_SIZE:
            return await self.k.virtiofsd.do_fallocate(inode, mode, first, length)
        mapping = inode.i_mapping
        await inode.i_rwsem.down_write()
        await mapping.invalidate_lock.down_write()
        error = await self.break_file_layouts(inode)
        if not error:
            error = await self.fallocate_locked(inode, mode, first, length)
        await mapping.invalidate_lock.up_write()
        await inode.i_rwsem.up_write()
        return error

    async def fallocate_locked(self, inode: Inode, mode: Falloc, first: int, length: int) -> int:
        """The part of fuse_file_fallocate behind the break: write back, send the request, drop the page cache."""
        mapping = inode.i_mapping
        last = min(first + length, len(inode.extents)) - 1
        zeroes = mode in (Falloc.PUNCH_HOLE, Falloc.ZERO_RANGE)
        error = 0
        if zeroes:
            error = await self.k.truncate.filemap_fdatawrite_range(mapping, first, last)
        if error:
            return error
        error = await self.k.virtiofsd.do_fallocate(inode, mode, first, length)
        if error:
            return error
        if mode is not Falloc.PUNCH_HOLE:
            await self.k.fuse_dax.fuse_write_update_attr(inode, first + length)
        if zeroes:
            await self.k.truncate.truncate_pagecache_range(mapping, first, last)
        return 0

    # -- write and fsync ---------------------------------------------------------------------------------------------

    def write_iter(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> Awaitable[int]:
        """fuse_file_operations"""
        return self.k.fuse_dax.fuse_dax_write_iter(inode, index, value, copy)

    async def vfs_fsync_range(self, inode: Inode, first: int, last: int) -> int:
        """fuse_fsync, which holds i_rwsem; the server's own fsync is not modelled."""
        await inode.i_rwsem.down_write()
        error = await self.k.truncate.filemap_fdatawrite_range(inode.i_mapping, first, last)
        await inode.i_rwsem.up_write()
        return error

    # -- life of the inode and the super block -----------------------------------------------------------------------

    def unlink(self, inode: Inode) -> Awaitable[int]:
        """fuse_dir_inode_operations"""
        return self.fuse_unlink(inode)

    async def fuse_unlink(self, inode: Inode) -> int:
        """The name goes, unless the dentry has gone; the server keeps the file until the inode is evicted."""
        return 0 if await inode.i_nlink.exchange(0) else -ENOENT

    def evict_inode(self, inode: Inode) -> Awaitable[None]:
        """fuse_super_operations"""
        return self.fuse_evict_inode(inode)

    async def fuse_evict_inode(self, inode: Inode) -> None:
        """Drop the page cache, then give the ranges back. Nothing waits for references to pages.

        The kernel keeps no inode of fuse without a reference: losing the dentry evicts it, too (Vmscan.prune_dentry).
        Known deviation: nobody can look the file up again then.
        """
        await self.k.truncate.truncate_inode_pages_final(inode.i_mapping)
        await self.k.fuse_dax.fuse_dax_inode_cleanup(inode)

    async def sync_fs(self) -> None:
        """fuse_sync_fs: the server syncs its own file system, which is not modelled."""
