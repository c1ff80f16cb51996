"""ext4 on DAX (fs/ext4/inode.c, file.c, extents.c, v6.0), without its journal.

Known deviations: a freed block can be reused at once, where ext4 waits for the transaction to commit, which may
happen at any moment; and a lookup takes i_data_sem also for extents that ext4 would find in its status cache.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from daxfuzz.kernel.fs.filesystem import Filesystem, Iomap
from daxfuzz.kernel.xarray import Mark

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.memory import Fault, VmFault


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
        result = await self.k.dax_fault.dax_iomap_pte_fault(vmf)
        await lock.up_read()
        return result

    # -- the extent tree -----------------------------------------------------------------------------------------

    def iomap_begin(self, inode: Inode, index: int, write: bool) -> Awaitable[Iomap | None]:
        """ext4_iomap_ops"""
        return self.ext4_iomap_begin(inode, index, write)

    async def ext4_iomap_begin(self, inode: Inode, index: int, write: bool) -> Iomap | None:
        """A lookup under i_data_sem shared; a write to a hole allocates under it exclusively."""
        pfn = await self.ext4_map_blocks(inode, index)
        if pfn is not None or not write:
            return Iomap(pfn)
        return await self.ext4_map_blocks_create(inode, index)

    async def ext4_map_blocks(self, inode: Inode, index: int) -> int | None:
        """The block of a file page, None for a hole."""
        await inode.i_data_sem.down_read()
        pfn = await inode.extents[index].read()
        await inode.i_data_sem.up_read()
        return pfn

    async def ext4_map_blocks_create(self, inode: Inode, index: int) -> Iomap | None:
        """EXT4_GET_BLOCKS_CREATE_ZERO: allocate and zero, unless somebody has done so; None if the device is full."""
        await inode.i_data_sem.down_write()
        pfn = await inode.extents[index].read()
        new = pfn is None
        if pfn is None:
            pfn = await self.k.allocator.allocate(inode.number, index)
            if pfn is not None:
                await self.k.blocks[pfn].zero()
                await inode.extents[index].write(pfn)
        await inode.i_data_sem.up_write()
        return None if pfn is None else Iomap(pfn, new)

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

    def fsync(self, inode: Inode) -> Awaitable[int]:
        """ext4_sync_file: ext4_dax_writepages, with no lock of the inode."""
        return self.k.dax_writeback.dax_writeback_mapping_range(inode.i_mapping, 0, len(inode.extents) - 1)
