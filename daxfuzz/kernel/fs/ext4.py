"""ext4 on DAX with a journal and data=ordered (fs/ext4/inode.c, file.c, extents.c, fsync.c, v6.0).

Known deviations: a lookup takes i_data_sem also for extents that ext4 would find in its status cache; sizes and
offsets are whole blocks, so that no partial block is ever zeroed; i_disksize is i_size, and the orphan list is left
out, since both matter only to what recovery does after a crash.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, ClassVar

from daxfuzz.kernel.errno import EFBIG, EINVAL, ENOSPC
from daxfuzz.kernel.fs.filesystem import Falloc, Filesystem, Iomap, UserCopy
from daxfuzz.kernel.inode import Unwritten, block_of, mapped_block
from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.mm import VmFlag

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Extent, Inode
    from daxfuzz.kernel.memory import Fault
    from daxfuzz.sim import Lock

ALLOC_RETRIES = 3
"""How often ext4_should_retry_alloc says yes."""


class Ext4(Filesystem):
    """Order: sb_start_write, i_rwsem, mmap_lock, sb_start_pagefault, invalidate_lock, handle, entry lock, i_data_sem.

    A write fault has its handle open while it waits for the entry lock.
    """

    name = "ext4"
    durable_metadata: ClassVar[bool] = True
    logs_size: ClassVar[bool] = True

    def transaction(self) -> Lock | None:
        """The handle of the journal, for observers."""
        return self.k.journal

    def extent_lock(self, inode: Inode) -> Lock | None:
        """i_data_sem, for observers."""
        return inode.i_data_sem

    # -- faults --------------------------------------------------------------------------------------------------

    def dax_fault(self, vmf: Fault) -> Awaitable[VmFault]:
        """ext4_dax_vm_ops"""
        return self.ext4_dax_huge_fault(vmf)

    async def ext4_dax_huge_fault(self, vmf: Fault) -> VmFault:
        """Faults exclude truncation, not each other."""
        lock = vmf.vma.mapping.invalidate_lock
        if not (vmf.write and vmf.vma.flags & VmFlag.SHARED):
            await lock.down_read()
            result = await self.k.dax_fault.dax_iomap_fault(vmf)
            await lock.up_read()
            return result
        await self.k.sb.pagefault.down_read()
        await lock.down_read()
        result = await self.ext4_write_fault(vmf)
        if result is VmFault.NEEDDSYNC:
            # The handle is closed, since fsync waits for a commit.
            result = await self.k.dax_fault.dax_finish_sync_fault(vmf)
        await lock.up_read()
        await self.k.sb.pagefault.up_read()
        return result

    async def ext4_write_fault(self, vmf: Fault) -> VmFault:
        """The part of ext4_dax_huge_fault that needs a handle; a full device may get blocks back from a commit.

        Known deviation: not only ENOSPC is tried again, but every error, if a commit gives blocks back.
        """
        retries = 0
        while True:
            await self.k.journal.start()
            result = await self.k.dax_fault.dax_iomap_fault(vmf)
            await self.k.journal.stop()
            if result is not VmFault.SIGBUS or not await self.ext4_should_retry_alloc(retries):
                return result
            retries += 1

    # -- the extent tree -----------------------------------------------------------------------------------------

    def iomap_begin(
        self, inode: Inode, index: int, write: bool, pages: int = 1, fault: bool = False
    ) -> Awaitable[Iomap | None]:
        """ext4_iomap_ops"""
        return self.ext4_iomap_begin(inode, index, write, pages)

    async def ext4_iomap_begin(self, inode: Inode, index: int, write: bool, pages: int) -> Iomap | None:
        """A lookup under i_data_sem shared; a write to what has no data allocates under it exclusively."""
        if not write:
            return await self.ext4_map_blocks(inode, index, pages)
        iomap: Iomap | None = None
        if index + pages <= await inode.i_size.read():
            iomap = await self.ext4_map_blocks(inode, index, pages)
            pages = iomap.pages
        if iomap is None or iomap.pfn is None:
            iomap = await self.ext4_iomap_alloc(inode, index, pages)
        return None if iomap is None else await self.ext4_set_iomap(inode, index, iomap)

    async def ext4_set_iomap(self, inode: Inode, index: int, iomap: Iomap) -> Iomap:
        """The extent with IOMAP_F_DIRTY, if fsync would have metadata to write, or will as the file grows."""
        dirty = await self.ext4_inode_datasync_dirty(inode) or index + iomap.pages > await inode.i_size.read()
        return iomap._replace(dirty=dirty)

    async def ext4_inode_datasync_dirty(self, inode: Inode) -> bool:
        """Whether the transaction that fdatasync has to wait for is not committed yet."""
        return await self.k.journal.datasync_dirty(inode.number)

    async def ext4_map_blocks(self, inode: Inode, index: int, pages: int) -> Iomap:
        """The extent at a file page, or what reads as zeroes, up to a length."""
        await inode.i_data_sem.down_read()
        iomap = await self.ext4_ext_map_blocks(inode, index, pages)
        await inode.i_data_sem.up_read()
        return iomap

    async def ext4_ext_map_blocks(self, inode: Inode, index: int, pages: int) -> Iomap:
        """Look into the extent tree: as many pages as are one extent, or read as zeroes."""
        pfn = mapped_block(await inode.extents[index].read())
        length = 1
        while length < pages and index + length < len(inode.extents):
            block = mapped_block(await inode.extents[index + length].read())
            if block != (None if pfn is None else pfn + length):
                break
            length += 1
        return Iomap(pfn, pages=length)

    async def ext4_iomap_alloc(self, inode: Inode, index: int, pages: int) -> Iomap | None:
        """Allocate for a write, in a handle of its own or nested in that of the fault."""
        retries = 0
        while True:
            await self.k.journal.start()
            iomap = await self.ext4_map_blocks_create(inode, index, pages)
            await self.k.journal.stop()
            if iomap is not None or not await self.ext4_should_retry_alloc(retries):
                return iomap
            retries += 1

    async def ext4_should_retry_alloc(self, retries: int) -> bool:
        """After ENOSPC: commit, if that gives blocks back, and say whether to try again.

        With a handle open only a commit that is under way can be waited for (jbd2_journal_force_commit_nested); the
        model does not wait for it, and leaves it to the fault, which tries again without one.
        """
        if retries >= ALLOC_RETRIES or self.k.journal.has_handle():
            return False
        if not await self.k.allocator.pending():
            return False
        await self.k.journal.force_commit()
        return True

    async def ext4_map_blocks_create(self, inode: Inode, index: int, pages: int) -> Iomap | None:
        """EXT4_GET_BLOCKS_CREATE_ZERO: allocate and zero, unless somebody has done so; None if the device is full."""
        await inode.i_data_sem.down_write()
        iomap: Iomap | None = await self.ext4_ext_map_blocks(inode, index, pages)
        if iomap is not None and iomap.pfn is None:
            iomap = await self.ext4_mb_new_blocks(inode, index, iomap.pages)
        await inode.i_data_sem.up_write()
        return iomap

    async def ext4_mb_new_blocks(self, inode: Inode, index: int, pages: int) -> Iomap | None:
        """Zeroed blocks for up to so many file pages: those of an unwritten extent, else new ones for a hole.

        Known deviation: an unwritten extent is converted a page at a time.
        """
        extent = await inode.extents[index].read()
        if isinstance(extent, Unwritten):
            blocks = range(extent.pfn, extent.pfn + 1)
        else:
            length = 1
            while length < pages and await inode.extents[index + length].read() is None:
                length += 1
            blocks = await self.k.allocator.allocate_extent(inode.number, index, length)
        if not blocks:
            return None
        zeroed = [await self.k.dax_device.blkdev_issue_zeroout(pfn) for pfn in blocks]
        if not all(zeroed):
            # An unwritten extent stays as it is.
            for offset, pfn in enumerate(() if isinstance(extent, Unwritten) else blocks):
                await self.k.allocator.free(pfn, inode.number, index + offset)
            return None
        for offset, pfn in enumerate(blocks):
            await inode.extents[index + offset].write(pfn)
        await self.k.journal.update_inode(inode.number)
        return Iomap(blocks[0], new=True, pages=len(blocks))

    async def ext4_remove_space(self, inode: Inode, first: int, last: int) -> None:
        """ext4_ext_remove_space: free the blocks of a range, for reuse after the commit; i_data_sem is held.

        Without a disk there is no commit any more.
        """
        committed = await self.k.dax_device.blk_queue_enter()
        for index in range(first, last + 1):
            pfn = block_of(await inode.extents[index].exchange(None))
            if pfn is not None and committed:
                await self.k.allocator.free(pfn, inode.number, index, busy=True)
        if committed:
            await self.k.dax_device.blk_queue_exit()

    async def ext4_shift_extents(self, inode: Inode, first: int, last: int, by: int) -> None:
        """ext4_ext_shift_extents: move what is at the pages from `first` to `last`; i_data_sem is held.

        Without a disk there is no commit any more, and the blocks stay what they were.
        """
        committed = await self.k.dax_device.blk_queue_enter()
        pages = range(first, last + 1)
        for index in pages if by < 0 else reversed(pages):
            extent = await inode.extents[index].exchange(None)
            pfn = block_of(extent)
            if pfn is not None:
                if committed:
                    await self.k.allocator.move(pfn, inode.number, index, index + by)
                await inode.extents[index + by].write(extent)
        if committed:
            await self.k.dax_device.blk_queue_exit()

    # -- truncation ----------------------------------------------------------------------------------------------

    async def ext4_break_layouts(self, inode: Inode) -> int:
        """Wait until no page of the file is busy: 0 or -ERESTARTSYS. invalidate_lock is dropped while asleep."""
        if not inode.i_mapping.invalidate_lock.held_for_write():
            self.k.warn("ext4_break_layouts: invalidate_lock is not held", None)
            return -EINVAL
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
                await self.k.journal.start()
                await inode.i_data_sem.down_write()
                await inode.i_size.write(size)
                await inode.i_data_sem.up_write()
                await self.k.journal.update_inode(inode.number)
                await self.k.journal.stop()
            await self.k.truncate.truncate_pagecache(mapping, size)
            if size <= old_size:
                await self.ext4_truncate(inode, size)
        await mapping.invalidate_lock.up_write()
        return error

    async def ext4_truncate(self, inode: Inode, size: int) -> None:
        """Free all blocks beyond the size."""
        await self.k.journal.start()
        await inode.i_data_sem.down_write()
        await self.ext4_remove_space(inode, size, len(inode.extents) - 1)
        await inode.i_data_sem.up_write()
        await self.k.journal.update_inode(inode.number)
        await self.k.journal.stop()

    # -- fallocate -----------------------------------------------------------------------------------------------

    def fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> Awaitable[int]:
        """ext4_file_operations"""
        return self.ext4_fallocate(inode, mode, first, length)

    def ext4_fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> Awaitable[int]:
        """Each mode takes its locks by itself."""
        match mode:
            case Falloc.PUNCH_HOLE:
                return self.ext4_punch_hole(inode, first, length)
            case Falloc.COLLAPSE_RANGE:
                return self.ext4_collapse_range(inode, first, length)
            case Falloc.INSERT_RANGE:
                return self.ext4_insert_range(inode, first, length)
            case Falloc.ZERO_RANGE:
                return self.ext4_zero_range(inode, first, length)
            case _:
                return self.ext4_do_fallocate(inode, first, length, mode is Falloc.KEEP_SIZE)

    async def ext4_do_fallocate(self, inode: Inode, first: int, length: int, keep_size: bool) -> int:
        """Preallocation: fill the holes of a range with unwritten extents. No lock but i_rwsem, and no break."""
        await inode.i_rwsem.down_write()
        error = await self.ext4_preallocate(inode, first, length, keep_size)
        await inode.i_rwsem.up_write()
        return error

    async def ext4_preallocate(self, inode: Inode, first: int, length: int, keep_size: bool) -> int:
        """The part of ext4_do_fallocate that needs i_rwsem."""
        size = await inode.i_size.read()
        grown = None if keep_size or first + length <= size else first + length
        return await self.ext4_alloc_file_blocks(inode, first, length, grown, False)

    async def ext4_alloc_file_blocks(
        self, inode: Inode, first: int, length: int, size: int | None, convert: bool
    ) -> int:
        """Make every page of a range have a block: 0 or -ENOSPC, with what was done by then.

        size: the new i_size, None to leave it.
        convert: EXT4_GET_BLOCKS_CONVERT_UNWRITTEN, make what has data unwritten, too.
        """
        for index in range(first, first + length):
            retries = 0
            while True:
                await self.k.journal.start()
                done = await self.ext4_allocate_unwritten(inode, index, convert)
                if done and size is not None and index + 1 > await inode.i_size.read():
                    await inode.i_size.write(index + 1)
                await self.k.journal.update_inode(inode.number)
                await self.k.journal.stop()
                if done:
                    break
                if not await self.ext4_should_retry_alloc(retries):
                    return -ENOSPC
                retries += 1
        return 0

    async def ext4_allocate_unwritten(self, inode: Inode, index: int, convert: bool) -> bool:
        """EXT4_GET_BLOCKS_CREATE_UNWRIT_EXT for one page: False if the device is full."""
        await inode.i_data_sem.down_write()
        extent: Extent = await inode.extents[index].read()
        pfn = block_of(extent)
        if pfn is None:
            pfn = await self.k.allocator.allocate(inode.number, index)
        if pfn is not None and (extent is None or (convert and extent == pfn)):
            await inode.extents[index].write(Unwritten(pfn))
        await inode.i_data_sem.up_write()
        return pfn is not None

    async def ext4_punch_hole(self, inode: Inode, first: int, length: int) -> int:
        """Write back, break the layout, drop the page cache of the range, and free its blocks."""
        mapping = inode.i_mapping
        last = min(first + length, len(inode.extents)) - 1
        error = await self.k.truncate.filemap_fdatawrite_range(mapping, first, last)
        if error:
            return error
        await inode.i_rwsem.down_write()
        size = await inode.i_size.read()
        if first < size:
            # A hole that reaches beyond the end stops behind the page that follows it.
            last = min(last, size)
            await mapping.invalidate_lock.down_write()
            error = await self.ext4_break_layouts(inode)
            if not error:
                await self.ext4_punch_blocks(inode, first, last)
            await mapping.invalidate_lock.up_write()
        await inode.i_rwsem.up_write()
        return error

    async def ext4_punch_blocks(self, inode: Inode, first: int, last: int) -> None:
        """The part of ext4_punch_hole that needs i_rwsem and invalidate_lock, and the layout broken."""
        await self.k.truncate.truncate_pagecache_range(inode.i_mapping, first, last)
        await self.k.journal.start()
        await inode.i_data_sem.down_write()
        await self.ext4_remove_space(inode, first, last)
        await inode.i_data_sem.up_write()
        await self.k.journal.update_inode(inode.number)
        await self.k.journal.stop()

    async def ext4_zero_range(self, inode: Inode, first: int, length: int) -> int:
        """Break the layout, drop the page cache of the range, and make it unwritten; no block is freed."""
        mapping = inode.i_mapping
        await inode.i_rwsem.down_write()
        size = await inode.i_size.read()
        grown = first + length if first + length > size else None
        await mapping.invalidate_lock.down_write()
        error = await self.ext4_break_layouts(inode)
        if not error:
            error = await self.ext4_zero_blocks(inode, first, length, grown)
        await mapping.invalidate_lock.up_write()
        await inode.i_rwsem.up_write()
        return error

    async def ext4_zero_blocks(self, inode: Inode, first: int, length: int, grown: int | None) -> int:
        """The part of ext4_zero_range that needs i_rwsem and invalidate_lock, and the layout broken."""
        await self.k.truncate.truncate_pagecache_range(inode.i_mapping, first, first + length - 1)
        return await self.ext4_alloc_file_blocks(inode, first, length, grown, True)

    async def ext4_collapse_range(self, inode: Inode, first: int, length: int) -> int:
        """Remove a range and move what follows it to its place: 0, -EINVAL if nothing follows, or a signal's error."""
        mapping = inode.i_mapping
        await inode.i_rwsem.down_write()
        size = await inode.i_size.read()
        error = -EINVAL
        if first + length < size:
            await mapping.invalidate_lock.down_write()
            error = await self.ext4_break_layouts(inode)
            if not error:
                error = await self.ext4_collapse_blocks(inode, first, length, size)
            await mapping.invalidate_lock.up_write()
        await inode.i_rwsem.up_write()
        return error

    async def ext4_collapse_blocks(self, inode: Inode, first: int, length: int, size: int) -> int:
        """The part of ext4_collapse_range that needs i_rwsem and invalidate_lock, and the layout broken."""
        error = await self.ext4_write_and_drop(inode, first + length, first)
        if not error:
            await self.k.journal.start()
            await inode.i_data_sem.down_write()
            await self.ext4_remove_space(inode, first, first + length - 1)
            await self.ext4_shift_extents(inode, first + length, len(inode.extents) - 1, -length)
            await inode.i_size.write(size - length)
            await inode.i_data_sem.up_write()
            await self.k.journal.update_inode(inode.number)
            await self.k.journal.stop()
        return error

    async def ext4_insert_range(self, inode: Inode, first: int, length: int) -> int:
        """Move what is at and behind a page away from it: 0, -EINVAL beyond the end, -EFBIG, or a signal's error.

        Frees nothing, but moves blocks, so that entries would name the wrong pages if they stayed. Known deviation:
        blocks that were allocated so far beyond the end that they cannot move are looked for before anything is done.
        """
        mapping = inode.i_mapping
        await inode.i_rwsem.down_write()
        size = await inode.i_size.read()
        error = 0
        if size + length > len(inode.extents):
            error = -EFBIG
        elif first >= size:
            error = -EINVAL
        if not error and not await self.ext4_can_shift(inode, length):
            error = -EFBIG
        if not error:
            await mapping.invalidate_lock.down_write()
            error = await self.ext4_break_layouts(inode)
            if not error:
                error = await self.ext4_insert_blocks(inode, first, length, size)
            await mapping.invalidate_lock.up_write()
        await inode.i_rwsem.up_write()
        return error

    async def ext4_insert_blocks(self, inode: Inode, first: int, length: int, size: int) -> int:
        """The part of ext4_insert_range that needs i_rwsem and invalidate_lock, and the layout broken."""
        error = await self.ext4_write_and_drop(inode, first, first)
        if not error:
            await self.k.journal.start()
            await inode.i_size.write(size + length)
            await inode.i_data_sem.down_write()
            await self.ext4_shift_extents(inode, first, len(inode.extents) - 1 - length, length)
            await inode.i_data_sem.up_write()
            await self.k.journal.update_inode(inode.number)
            await self.k.journal.stop()
        return error

    async def ext4_can_shift(self, inode: Inode, by: int) -> bool:
        """Whether nothing is so far beyond the end that it could not move. (In the kernel a part of
        ext4_ext_shift_extents.)"""
        await inode.i_data_sem.down_read()
        free = True
        for index in range(len(inode.extents) - by, len(inode.extents)):
            free = await inode.extents[index].read() is None and free
        await inode.i_data_sem.up_read()
        return free

    async def ext4_write_and_drop(self, inode: Inode, first: int, dropped: int) -> int:
        """Write back from one page on, then remove the page cache from another on: 0 or a negative error."""
        mapping = inode.i_mapping
        error = await self.k.dax_writeback.dax_writeback_mapping_range(mapping, first, len(inode.extents) - 1)
        if not error:
            await self.k.truncate.truncate_pagecache(mapping, dropped)
        return error

    # -- write and fsync -----------------------------------------------------------------------------------------

    def write_iter(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> Awaitable[int]:
        """ext4_file_write_iter"""
        return self.ext4_dax_write_iter(inode, index, value, copy)

    async def ext4_dax_write_iter(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> int:
        """No handle is open while the user's data is copied; the size grows afterwards."""
        await inode.i_rwsem.down_write()
        error = await self.k.dax_io.dax_iomap_rw(inode, index, value, copy)
        if index >= await inode.i_size.read():
            await self.ext4_handle_inode_extension(inode, index, error)
        await inode.i_rwsem.up_write()
        return error

    async def ext4_handle_inode_extension(self, inode: Inode, index: int, error: int) -> None:
        """The new size, or, if nothing was written, the removal of what was allocated beyond the end."""
        if error:
            await self.ext4_truncate_failed_write(inode)
            return
        await self.k.journal.start()
        await inode.i_size.write(index + 1)
        await self.k.journal.update_inode(inode.number)
        await self.k.journal.stop()

    async def ext4_truncate_failed_write(self, inode: Inode) -> None:
        """Nothing beyond the end can be mapped, so no layout is broken."""
        mapping = inode.i_mapping
        await mapping.invalidate_lock.down_write()
        size = await inode.i_size.read()
        await self.k.truncate.truncate_inode_pages_range(mapping, size, len(inode.extents) - 1)
        await self.ext4_truncate(inode, size)
        await mapping.invalidate_lock.up_write()

    def vfs_fsync_range(self, inode: Inode, first: int, last: int) -> Awaitable[int]:
        """ext4_file_operations"""
        return self.ext4_sync_file(inode, first, last)

    async def ext4_sync_file(self, inode: Inode, first: int, last: int) -> int:
        """Write the data back (ext4_dax_writepages, with no lock of the inode), then commit the file's last change.

        The commit, or a flush of the disk in its place, fails once the disk is gone.
        """
        error = await self.k.dax_writeback.dax_writeback_mapping_range(inode.i_mapping, first, last)
        if not error:
            await self.k.journal.complete(inode.number)
            error = await self.k.dax_device.blkdev_issue_flush()
        return error

    # -- life of the inode and the super block -------------------------------------------------------------------

    def unlink(self, inode: Inode) -> Awaitable[int]:
        """ext4_dir_inode_operations"""
        return self.ext4_unlink(inode)

    async def ext4_unlink(self, inode: Inode) -> int:
        """The name goes; mappings, entries and references to pages stay."""
        await self.k.journal.start()
        await inode.i_nlink.write(0)
        await self.k.journal.update_inode(inode.number)
        await self.k.journal.stop()
        return 0

    def evict_inode(self, inode: Inode) -> Awaitable[None]:
        """ext4_sops"""
        return self.ext4_evict_inode(inode)

    async def ext4_evict_inode(self, inode: Inode) -> None:
        """Delete the entries, and free the blocks. Nothing waits for references to pages."""
        await self.k.truncate.truncate_inode_pages_final(inode.i_mapping)
        await self.k.sb.intwrite.down_read()
        await self.k.journal.start()
        await inode.i_size.write(0)
        await self.ext4_truncate(inode, 0)
        await self.k.journal.stop()
        await self.k.sb.intwrite.up_read()

    def sync_fs(self) -> Awaitable[None]:
        """ext4_sync_fs"""
        return self.k.journal.force_commit()

    async def freeze_fs(self) -> None:
        """ext4_freeze: bar handles for as long as it takes to empty the journal; then the levels do."""
        await self.k.journal.lock_updates()
        await self.k.journal.updates.drain()
        await self.k.journal.force_commit()
        await self.k.journal.unlock_updates()
