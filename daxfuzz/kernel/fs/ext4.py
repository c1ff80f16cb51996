"""ext4 on DAX (fs/ext4/inode.c, file.c, extents.c, v6.0), without its journal.

Known deviations: a freed block can be reused at once, where ext4 waits for the transaction to commit, which may
happen at any moment; and a lookup takes i_data_sem also for extents that ext4 would find in its status cache.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from daxfuzz.kernel.fs.filesystem import Filesystem, Iomap
from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.xarray import Mark

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.memory import Fault


class Ext4(Filesystem):
    """Lock order: i_rwsem, invalidate_lock, entry lock, i_data_sem."""

    name = "ext4"

    def dax_fault(self, vmf: Fault) -> Awaitable[VmFault]:
        """ext4_dax_vm_ops"""
        return self.ext4_dax_huge_fault(vmf)

    async def ext4_dax_huge_fault(self, vmf: Fault) -> VmFault:
        """Faults exclude truncation, not each other."""
        lock = vmf.vma.mapping.invalidate_lock
        await lock.down_read()
        result = await self.k.dax_fault.dax_iomap_fault(vmf)
        if result is VmFault.NEEDDSYNC:
            result = await self.k.dax_fault.dax_finish_sync_fault(vmf)
        await lock.up_read()
        return result

    # -- the extent tree -----------------------------------------------------------------------------------------

    def iomap_begin(self, inode: Inode, index: int, write: bool, pages: int = 1) -> Awaitable[Iomap | None]:
        """ext4_iomap_ops"""
        return self.ext4_iomap_begin(inode, index, write, pages)

    async def ext4_iomap_begin(self, inode: Inode, index: int, write: bool, pages: int) -> Iomap | None:
        """A lookup under i_data_sem shared; a write to a hole allocates under it exclusively.

        What is allocated is as long as the hole, at most; so a PMD with blocks in one half only gets two extents.
        """
        iomap: Iomap | None = await self.ext4_map_blocks(inode, index, pages)
        if iomap is not None and write and iomap.pfn is None:
            iomap = await self.ext4_map_blocks_create(inode, index, iomap.pages)
        if iomap is None:
            return None
        return await self.ext4_set_iomap(inode, iomap)

    async def ext4_set_iomap(self, inode: Inode, iomap: Iomap) -> Iomap:
        """The extent with IOMAP_F_DIRTY, if fsync would have metadata to write.

        Known deviation: an extent beyond i_size is dirty as well; no fault asks for one.
        """
        if await self.ext4_inode_datasync_dirty(inode):
            return iomap._replace(dirty=True)
        return iomap

    def ext4_inode_datasync_dirty(self, inode: Inode) -> Awaitable[bool]:
        """Whether the transaction that fdatasync has to wait for is not committed yet."""
        return inode.datasync_dirty.read()

    async def ext4_map_blocks(self, inode: Inode, index: int, pages: int) -> Iomap:
        """The extent at a file page, or the hole, up to a length."""
        await inode.i_data_sem.down_read()
        iomap = await self.ext4_ext_map_blocks(inode, index, pages)
        await inode.i_data_sem.up_read()
        return iomap

    async def ext4_ext_map_blocks(self, inode: Inode, index: int, pages: int) -> Iomap:
        """Look into the extent tree: as many pages as are one extent, or one hole."""
        pfn = await inode.extents[index].read()
        length = 1
        while length < pages and index + length < len(inode.extents):
            block = await inode.extents[index + length].read()
            if block != (None if pfn is None else pfn + length):
                break
            length += 1
        return Iomap(pfn, pages=length)

    async def ext4_map_blocks_create(self, inode: Inode, index: int, pages: int) -> Iomap | None:
        """EXT4_GET_BLOCKS_CREATE_ZERO: allocate and zero, unless somebody has done so; None if the device is full."""
        await inode.i_data_sem.down_write()
        iomap: Iomap | None = await self.ext4_ext_map_blocks(inode, index, pages)
        if iomap is not None and iomap.pfn is None:
            iomap = await self.ext4_mb_new_blocks(inode, index, iomap.pages)
        await inode.i_data_sem.up_write()
        return iomap

    async def ext4_mb_new_blocks(self, inode: Inode, index: int, pages: int) -> Iomap | None:
        """Allocate blocks for up to so many file pages, zero them and put them into the tree."""
        blocks = await self.k.allocator.allocate_extent(inode.number, index, pages)
        if not blocks:
            return None
        for pfn in blocks:
            await self.k.blocks[pfn].zero()
        for offset, pfn in enumerate(blocks):
            await inode.extents[index + offset].write(pfn)
        # ext4_update_inode_fsync_trans
        await inode.datasync_dirty.write(True)
        return Iomap(blocks[0], new=True, pages=len(blocks))

    async def ext4_remove_space(self, inode: Inode, first: int, last: int) -> None:
        """ext4_ext_remove_space: free the blocks of a range."""
        await inode.i_data_sem.down_write()
        for index in range(first, last + 1):
            pfn = await inode.extents[index].exchange(None)
            if pfn is not None:
                await self.k.allocator.free(pfn, inode.number, index)
        await inode.i_data_sem.up_write()

    # -- truncation ----------------------------------------------------------------------------------------------

    async def ext4_break_layouts(self, inode: Inode) -> int:
        """Wait until no page of the file is busy: 0 or -ERESTARTSYS. invalidate_lock is dropped while asleep."""
        if not inode.i_mapping.invalidate_lock.held_for_write():
            self.k.warn("ext4_break_layouts: invalidate_lock is not held", None)
            return -22
        error = 0
        while not error:
            page = await self.k.dax.dax_layout_busy_page(inode.i_mapping)
            if page is None:
                break
            error = await self.k.dax.wait_page_idle(page, lambda address: self.ext4_wait_dax_page(inode, address))
        return error

    async def ext4_wait_dax_page(self, inode: Inode, address: int) -> None:
        """Sleep without invalidate_lock, since whoever is to end the wait may need it for a fault."""
        lock = inode.i_mapping.invalidate_lock
        await lock.up_write()
        await self.k.var_waitqueues.bucket(address).schedule()
        await lock.down_write()

    def setattr_size(self, inode: Inode, size: int) -> Awaitable[int]:
        """ext4_file_inode_operations"""
        return self.ext4_setattr(inode, size)

    async def ext4_setattr(self, inode: Inode, size: int) -> int:
        """The layout is broken for every change of size, and before anything is changed."""
        mapping = inode.i_mapping
        old_size = await inode.i_size.read()
        await mapping.invalidate_lock.down_write()
        error = await self.ext4_break_layouts(inode)
        if not error:
            if size != old_size:
                await inode.i_data_sem.down_write()
                await inode.i_size.write(size)
                await inode.i_data_sem.up_write()
            await self.k.truncate.truncate_pagecache(mapping, size)
            if size <= old_size:
                await self.ext4_truncate(inode, size)
        await mapping.invalidate_lock.up_write()
        return error

    def ext4_truncate(self, inode: Inode, size: int) -> Awaitable[None]:
        """Free all blocks beyond the size."""
        return self.ext4_remove_space(inode, size, len(inode.extents) - 1)

    def fallocate_punch_hole(self, inode: Inode, first: int, length: int) -> Awaitable[int]:
        """ext4_fallocate"""
        return self.ext4_punch_hole(inode, first, length)

    async def ext4_punch_hole(self, inode: Inode, first: int, length: int) -> int:
        """Write back, break the layout, drop the page cache of the range, and free its blocks."""
        mapping = inode.i_mapping
        last = min(first + length, len(inode.extents)) - 1
        error = 0
        if await mapping.i_pages.marked(Mark.DIRTY):
            error = await self.k.dax_writeback.dax_writeback_mapping_range(mapping, first, last)
        if error:
            return error
        await inode.i_rwsem.down_write()
        if first < await inode.i_size.read():
            await mapping.invalidate_lock.down_write()
            error = await self.ext4_break_layouts(inode)
            if not error:
                await self.k.truncate.truncate_pagecache_range(mapping, first, last)
                await self.ext4_remove_space(inode, first, last)
            await mapping.invalidate_lock.up_write()
        await inode.i_rwsem.up_write()
        return error

    def vfs_fsync_range(self, inode: Inode, first: int, last: int) -> Awaitable[int]:
        """ext4_file_operations"""
        return self.ext4_sync_file(inode, first, last)

    async def ext4_sync_file(self, inode: Inode, first: int, last: int) -> int:
        """ext4_dax_writepages, with no lock of the inode; then the journal, for the whole file."""
        error = await self.k.dax_writeback.dax_writeback_mapping_range(inode.i_mapping, first, last)
        if not error and await self.ext4_inode_datasync_dirty(inode):
            await self.jbd2_complete_transaction(inode)
        return error

    async def jbd2_complete_transaction(self, inode: Inode) -> None:
        """Commit the transaction that the file's metadata is in, and wait for it.

        Known deviation: the commit is one step, and clean means that no allocation came after the last commit.
        """
        await inode.datasync_dirty.write(False)
