"""xfs on DAX (fs/xfs/xfs_file.c, xfs_iops.c, xfs_iomap.c, xfs_bmap_util.c, v6.0). What reflink needs: xfs_reflink.py.

The kernel's names for locks: IOLOCK is i_rwsem, MMAPLOCK is invalidate_lock, ILOCK is the inode's own.

Known deviations: a transaction waits for its ILOCK only, never for log space; nothing forces the log by itself, where
xfs does every 30 seconds; ranges are worked on page by page where no PMD is asked for; blocks beyond the end of the
file are never allocated ahead; the size on disk follows the size in memory with the next transaction; every transaction
changes what fdatasync writes; a write replaces whole pages, so that no edges are copied or zeroed; there is one
allocation group; and nothing shuts the file system down but the removal of its device, since v6.8.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from daxfuzz.kernel.errno import EAGAIN, EFBIG, EFSCORRUPTED, EINVAL, ENOSPC, EOPNOTSUPP
from daxfuzz.kernel.fs.filesystem import Falloc, Iomap
from daxfuzz.kernel.fs.xfs_reflink import XfsReflink
from daxfuzz.kernel.inode import Unwritten, block_of, mapped_block
from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.mm import VmFlag

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.filesystem import UserCopy
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.memory import Fault
    from daxfuzz.sim import Lock


BUNMAPI_EXTENTS = 2
"""Extents that one transaction of xfs_unmap_extent takes away."""


class RmapRecord(NamedTuple):
    """struct xfs_rmap_irec: blocks from `pfn` on that are consecutive pages of a file, from `first` on."""

    number: int
    first: int
    pfn: int
    pages: int

    def goes_on_with(self, number: int, index: int, pfn: int) -> bool:
        """Whether a page of a file, at a block, is the next one of this record."""
        return (number, index, pfn) == (self.number, self.first + self.pages, self.pfn + self.pages)


class Xfs(XfsReflink):
    """Lock order: IOLOCK, MMAPLOCK, entry lock, ILOCK, AGF."""

    name = "xfs"
    reflinks = True
    holds_device = True
    durable_metadata: ClassVar[bool] = True
    logs_committed: ClassVar[bool] = True
    writes_removed: ClassVar[bool] = True
    frees_inodes: ClassVar[bool] = False
    leases_layouts: ClassVar[bool] = True

    def transaction(self) -> Lock | None:
        """The protection from a freeze that each transaction has, for observers."""
        return self.k.sb.intwrite

    def extent_lock(self, inode: Inode) -> Lock | None:
        """ILOCK, for observers."""
        return inode.ilock

    # -- faults --------------------------------------------------------------------------------------------------

    async def dax_fault(self, vmf: Fault) -> VmFault:
        """xfs_file_vm_ops: map_pages comes first where a read finds nothing (do_read_fault)."""
        if not vmf.write and vmf.pages == 1:
            await self.xfs_filemap_map_pages(vmf)
        return await self._xfs_filemap_fault(vmf)

    async def xfs_filemap_map_pages(self, vmf: Fault) -> None:
        """Fault-around with MMAPLOCK."""
        lock = vmf.vma.mapping.invalidate_lock
        await lock.down_read()
        await self.filemap_map_pages(vmf)
        await lock.up_read()

    async def filemap_map_pages(self, vmf: Fault) -> None:
        """An RCU walk over the page cache that maps folios, of which a DAX file has none (mm/filemap.c, v6.0)."""
        await self.k.rcu.read_lock()
        await vmf.vma.mapping.i_pages.find(0, vmf.vma.pages - 1)
        await self.k.rcu.read_unlock()

    async def _xfs_filemap_fault(self, vmf: Fault) -> VmFault:
        """Faults exclude truncation, not each other. Times are not modelled, and so no transaction for them."""
        lock = vmf.vma.mapping.invalidate_lock
        write_fault = vmf.write and bool(vmf.vma.flags & VmFlag.SHARED)
        if write_fault:
            await self.k.sb.pagefault.down_read()
        await lock.down_read()
        result = await self.xfs_dax_fault(vmf)
        await lock.up_read()
        if write_fault:
            await self.k.sb.pagefault.up_read()
        return result

    async def xfs_dax_fault(self, vmf: Fault) -> VmFault:
        """The fault, with the wait for the log that MAP_SYNC may need; MMAPLOCK is held shared."""
        result = await self.k.dax_fault.dax_iomap_fault(vmf)
        if result is VmFault.NEEDDSYNC:
            result = await self.k.dax_fault.dax_finish_sync_fault(vmf)
        return result

    # -- the block map -------------------------------------------------------------------------------------------

    def iomap_begin(
        self, inode: Inode, index: int, write: bool, pages: int = 1, fault: bool = False
    ) -> Awaitable[Iomap | None]:
        """xfs_dax_write_iomap_ops and xfs_read_iomap_ops"""
        return (self.xfs_write_iomap_begin if write else self.xfs_read_iomap_begin)(inode, index, pages)

    async def xfs_write_iomap_begin(self, inode: Inode, index: int, pages: int) -> Iomap | None:
        """xfs_direct_write_iomap_begin, and IOMAP_F_DIRTY: the inode is pinned in the log, or the file will grow.

        (In the kernel a part of xfs_bmbt_to_iomap, and of its callers.)
        """
        iomap = await self.xfs_direct_write_iomap_begin(inode, index, pages)
        if iomap is None or iomap.error:
            return iomap
        return iomap._replace(dirty=await self.iomap_dirty(inode, index, iomap))

    async def iomap_dirty(self, inode: Inode, index: int, iomap: Iomap) -> bool:
        """Whether fsync has metadata of the inode to write, or will have."""
        return await self.xfs_ipincount(inode) or index + iomap.pages > await inode.i_size.read()

    async def xfs_ipincount(self, inode: Inode) -> bool:
        """Whether changes of the inode are in the log, but not durable."""
        return await self.k.journal.datasync_dirty(inode.number)

    async def xfs_bmapi_read(self, inode: Inode, index: int, pages: int) -> tuple[int | None, int]:
        """The extent of the data fork at a page: its block, and how many pages it has; ILOCK is held."""
        pfn = mapped_block(await inode.extents[index].read())
        length = 1
        while length < pages and index + length < len(inode.extents):
            block = mapped_block(await inode.extents[index + length].read())
            if block != (None if pfn is None else pfn + length):
                break
            length += 1
        return pfn, length

    async def xfs_read_iomap_begin(self, inode: Inode, index: int, pages: int) -> Iomap:
        """A lookup under ILOCK shared."""
        await inode.ilock.down_read()
        pfn, length = await self.xfs_bmapi_read(inode, index, pages)
        await inode.ilock.up_read()
        return Iomap(pfn, pages=length)

    async def xfs_ilock_for_iomap(self, inode: Inode) -> bool:
        """Take ILOCK for a write, exclusively where the inode may share blocks: whether it is exclusive."""
        if not await inode.reflink.read():
            await inode.ilock.down_read()
            if not await inode.reflink.read():
                return False
            await inode.ilock.up_read()
        await inode.ilock.down_write()
        return True

    async def xfs_iunlock(self, inode: Inode, exclusive: bool) -> None:
        """Drop ILOCK."""
        if exclusive:
            await inode.ilock.up_write()
        else:
            await inode.ilock.up_read()

    async def xfs_direct_write_iomap_begin(self, inode: Inode, index: int, pages: int) -> Iomap | None:
        """A block to write to: the one that is there, a copy's where that is shared, or a new one; None without space.

        ILOCK may be dropped to allocate the copy's.
        """
        exclusive = await self.xfs_ilock_for_iomap(inode)
        pfn, length = await self.xfs_bmapi_read(inode, index, pages)
        if exclusive and await inode.reflink.read():
            cow = await self.xfs_reflink_allocate_cow(inode, index, pfn, length)
            pfn, length = cow.source, cow.pages
            if cow.error or cow.pfn is not None:
                await inode.ilock.up_write()
                return None if cow.error else Iomap(cow.pfn, shared=True, source=pfn, pages=length)
        await self.xfs_iunlock(inode, exclusive)
        return await self.xfs_iomap_write_direct(inode, index, length) if pfn is None else Iomap(pfn, pages=length)

    async def xfs_iomap_write_direct(self, inode: Inode, index: int, pages: int) -> Iomap | None:
        """Allocate and zero blocks in one transaction, or zero an unwritten one, unless somebody has done so.

        Known deviation: an unwritten extent is converted a page at a time.
        """
        await self.xfs_trans_alloc_inode(inode)
        iomap = await self.xfs_bmapi_write(inode, index, pages)
        await self.xfs_trans_commit(inode)
        return iomap

    async def xfs_bmapi_write(self, inode: Inode, index: int, pages: int) -> Iomap | None:
        """XFS_BMAPI_CONVERT|XFS_BMAPI_ZERO; None without space, or without a disk to zero the blocks of."""
        extent = await inode.extents[index].read()
        pfn = block_of(extent)
        if pfn is not None and not isinstance(extent, Unwritten):
            return Iomap(pfn, new=True)
        blocks = range(0)
        if pfn is not None:
            blocks = range(pfn, pfn + 1)
        else:
            length = 1
            while length < pages and await inode.extents[index + length].read() is None:
                length += 1
            blocks = await self.xfs_alloc_extent(inode, index, length)
        if not blocks:
            return None
        if not all([await self.k.dax_device.blkdev_issue_zeroout(block) for block in blocks]):
            if pfn is None:
                for offset, block in enumerate(blocks):
                    await self.xfs_free_extent(block, inode, index + offset)
            return None
        for offset, block in enumerate(blocks):
            await inode.extents[index + offset].write(block)
        return Iomap(blocks[0], new=True, pages=len(blocks))

    async def iomap_end(self, inode: Inode, index: int, write: bool, iomap: Iomap, written: int) -> int:
        """xfs_dax_write_iomap_ops; xfs_read_iomap_ops has none."""
        if not write:
            return 0
        return await self.xfs_dax_write_iomap_end(inode, index, iomap, written)

    async def xfs_dax_write_iomap_end(self, inode: Inode, index: int, iomap: Iomap, written: int) -> int:
        """What was written takes the place of the shared blocks; if nothing was, the new blocks are given back."""
        if await inode.reflink.read():
            if written:
                await self.xfs_reflink_end_cow(inode, index, index + written - 1)
            else:
                await self.xfs_reflink_cancel_cow_range(inode, index, index + iomap.pages - 1)
        return 0

    async def xfs_itruncate_extents(self, inode: Inode, size: int) -> None:
        """Free all blocks beyond a size, in both forks; a transaction is under way and ILOCK is held."""
        last = len(inode.extents) - 1
        for index in range(last, size - 1, -1):
            pfn = block_of(await inode.extents[index].exchange(None))
            if pfn is not None:
                await self.xfs_free_extent(pfn, inode, index)
        await self.xfs_reflink_cancel_cow_blocks(inode, size, last)
        await self.xfs_itruncate_clear_reflink_flags(inode)

    async def xfs_free_file_space(self, inode: Inode, first: int, last: int) -> None:
        """Free the blocks of a range from its end, some in each transaction; ILOCK is free in between."""
        while last >= first:
            last = await self.xfs_unmap_extent(inode, first, last)

    async def xfs_unmap_extent(self, inode: Inode, first: int, last: int) -> int:
        """One transaction; returns where the next one has to go on."""
        await self.xfs_trans_alloc_inode(inode)
        freed = 0
        while last >= first and freed < BUNMAPI_EXTENTS:
            pfn = block_of(await inode.extents[last].exchange(None))
            if pfn is not None:
                await self.xfs_free_extent(pfn, inode, last)
                freed += 1
            last -= 1
        await self.xfs_trans_commit(inode)
        return last

    # -- truncation ----------------------------------------------------------------------------------------------

    def setattr_size(self, inode: Inode, size: int) -> Awaitable[int]:
        """xfs_file_inode_operations"""
        return self.xfs_vn_setattr(inode, size)

    async def xfs_vn_setattr(self, inode: Inode, size: int) -> int:
        """The layout is broken for every change of size, and before anything is changed."""
        lock = inode.i_mapping.invalidate_lock
        await lock.down_write()
        error = await self.xfs_break_layouts(inode)
        if not error:
            error = await self.xfs_setattr_size(inode, size)
        await lock.up_write()
        return error

    async def xfs_setattr_size(self, inode: Inode, size: int) -> int:
        """The page cache goes before the transaction that frees the blocks; IOLOCK and MMAPLOCK are held."""
        mapping = inode.i_mapping
        old_size = await inode.i_size.read()
        if size > old_size:
            await self.xfs_zero_range(inode, old_size, size)
        else:
            error = await self.k.truncate.filemap_write_and_wait_range(mapping, size, size)
            if error:
                return error
        await inode.i_size.write(size)
        await self.k.truncate.truncate_pagecache(mapping, size)
        await self.xfs_trans_alloc_inode(inode)
        if size <= old_size:
            await self.xfs_itruncate_extents(inode, size)
        await self.xfs_trans_commit(inode)
        return 0

    def fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> Awaitable[int]:
        """xfs_file_operations"""
        return self.xfs_file_fallocate(inode, mode, first, length)

    async def xfs_file_fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> int:
        """Break the layout, whatever is to be done; then flush and drop the page cache of what goes away, and do it."""
        lock = inode.i_mapping.invalidate_lock
        await inode.i_rwsem.down_write()
        await lock.down_write()
        error = await self.xfs_break_layouts(inode)
        if not error and mode in (Falloc.PUNCH_HOLE, Falloc.ZERO_RANGE, Falloc.COLLAPSE_RANGE):
            error = await self.xfs_flush_unmap_range(inode, first, self.last_page(inode, first, length))
        if not error:
            error = await self.xfs_fallocate_mode(inode, mode, first, length)
        await inode.i_rwsem.up_write()
        await lock.up_write()
        return error

    def last_page(self, inode: Inode, first: int, length: int) -> int:
        """Last page of a range, as far as the file can reach."""
        return min(first + length, len(inode.extents)) - 1

    async def xfs_fallocate_mode(self, inode: Inode, mode: Falloc, first: int, length: int) -> int:
        """What a mode does between the flush and the unlock; the size changes before blocks move up, and else last.

        (In the kernel a part of its caller.)
        """
        if mode is Falloc.PUNCH_HOLE:
            await self.xfs_free_file_space(inode, first, self.last_page(inode, first, length))
            return 0
        size = await inode.i_size.read()
        if mode is Falloc.COLLAPSE_RANGE:
            if first + length >= size:
                return -EINVAL
            error = await self.xfs_collapse_file_space(inode, first, length)
            return error or await self.xfs_setattr_size(inode, size - length)
        if mode is Falloc.INSERT_RANGE:
            if size + length > len(inode.extents):
                return -EFBIG
            if first >= size:
                return -EINVAL
            error = await self.xfs_setattr_size(inode, size + length)
            return error or await self.xfs_insert_file_space(inode, first, length)
        if mode is Falloc.ZERO_RANGE:
            await self.xfs_free_file_space(inode, first, first + length - 1)
        error = await self.xfs_alloc_file_space(inode, first, length)
        if not error and mode is not Falloc.KEEP_SIZE and first + length > size:
            error = await self.xfs_setattr_size(inode, first + length)
        return error

    async def xfs_alloc_file_space(self, inode: Inode, first: int, length: int) -> int:
        """Fill the holes of a range with unwritten extents, one transaction for each page: 0 or -ENOSPC."""
        for index in range(first, first + length):
            await self.xfs_trans_alloc_inode(inode)
            pfn = block_of(await inode.extents[index].read())
            if pfn is None:
                pfn = next(iter(await self.xfs_alloc_extent(inode, index, 1)), None)
                if pfn is not None:
                    await inode.extents[index].write(Unwritten(pfn))
            await self.xfs_trans_commit(inode)
            if pfn is None:
                return -ENOSPC
        return 0

    async def xfs_collapse_file_space(self, inode: Inode, first: int, length: int) -> int:
        """Free a range and move what follows it to its place."""
        await self.xfs_free_file_space(inode, first, first + length - 1)
        error = await self.xfs_prepare_shift(inode, first)
        if not error:
            await self.xfs_trans_alloc_inode(inode)
            await self.xfs_shift_extents(inode, range(first + length, len(inode.extents)), -length)
            await self.xfs_trans_commit(inode)
        return error

    async def xfs_insert_file_space(self, inode: Inode, first: int, length: int) -> int:
        """Move what is at a page and behind it up: 0, or -EINVAL if something is so far behind that it cannot move."""
        stop = len(inode.extents) - length
        if not await self.xfs_bmap_can_insert_extents(inode, stop):
            return -EINVAL
        error = await self.xfs_prepare_shift(inode, first)
        if not error:
            await self.xfs_trans_alloc_inode(inode)
            await self.xfs_shift_extents(inode, range(stop - 1, first - 1, -1), length)
            await self.xfs_trans_commit(inode)
        return error

    async def xfs_bmap_can_insert_extents(self, inode: Inode, stop: int) -> bool:
        """Whether nothing is at a page or behind it."""
        free = True
        await inode.ilock.down_write()
        for index in range(stop, len(inode.extents)):
            free = await inode.extents[index].read() is None and free
        await inode.ilock.up_write()
        return free

    async def xfs_prepare_shift(self, inode: Inode, first: int) -> int:
        """Drop all page cache from the page before a range on, and what the CoW fork has there.

        Known deviation: blocks beyond the end of the file are not freed first (xfs_free_eofblocks), but move, too.
        """
        first = max(first - 1, 0)
        last = len(inode.extents) - 1
        error = await self.xfs_flush_unmap_range(inode, first, last)
        if not error and not await inode.cow_fork.empty():
            await self.xfs_reflink_cancel_cow_range(inode, first, last)
        return error

    async def xfs_shift_extents(self, inode: Inode, pages: range, by: int) -> None:
        """xfs_bmap_collapse_extents and xfs_bmap_insert_extents; ILOCK is held.

        Without a disk there is no commit any more, and the blocks stay what they were.
        """
        committed = await self.k.dax_device.blk_queue_enter()
        for index in pages:
            extent = await inode.extents[index].exchange(None)
            pfn = block_of(extent)
            if pfn is not None:
                if committed:
                    await self.k.allocator.move(pfn, inode.number, index, index + by)
                await inode.extents[index + by].write(extent)
        if committed:
            await self.k.dax_device.blk_queue_exit()

    # -- write and fsync -----------------------------------------------------------------------------------------

    def write_iter(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> Awaitable[int]:
        """xfs_file_write_iter"""
        return self.xfs_file_dax_write(inode, index, value, copy)

    async def xfs_file_dax_write(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> int:
        """No lock but IOLOCK is held while the user's data is copied; the size grows afterwards."""
        await inode.i_rwsem.down_write()
        error = await self.xfs_file_write_checks(inode, index)
        if not error:
            error = await self.k.dax_io.dax_iomap_rw(inode, index, value, copy)
        if not error and index >= await inode.i_size.read():
            await inode.i_size.write(index + 1)
            await self.xfs_setfilesize(inode)
        await inode.i_rwsem.up_write()
        return error

    async def xfs_file_write_checks(self, inode: Inode, index: int) -> int:
        """BREAK_WRITE: leases only, pins do not matter. What lies between the end and the write is zeroed.

        (The loop is that of xfs_break_layouts in the kernel.)
        """
        error, retry = 0, True
        while retry and not error:
            error, retry = await self.xfs_break_leased_layouts(inode, mmaplock=False)
        if not error:
            size = await inode.i_size.read()
            if index > size:
                await self.xfs_zero_range(inode, size, index)
        return error

    async def xfs_setfilesize(self, inode: Inode) -> None:
        """A transaction for the size on disk."""
        await self.xfs_trans_alloc_inode(inode)
        await self.xfs_trans_commit(inode)

    def vfs_fsync_range(self, inode: Inode, first: int, last: int) -> Awaitable[int]:
        """xfs_file_operations"""
        return self.xfs_file_fsync(inode, first, last)

    async def xfs_file_fsync(self, inode: Inode, first: int, last: int) -> int:
        """Write the data back (xfs_dax_writepages, with no lock of the inode), then force the log if it has changes.

        Known deviation: the disk is flushed also after a log force, which includes that; so that it fails without one.
        """
        error = await self.k.truncate.filemap_write_and_wait_range(inode.i_mapping, first, last)
        if not error:
            if await self.xfs_ipincount(inode):
                await self.xfs_fsync_flush_log(inode)
            error = await self.k.dax_device.blkdev_issue_flush()
        return error

    async def xfs_fsync_flush_log(self, inode: Inode) -> None:
        """xfs_log_force_seq up to the inode's last change, with ILOCK."""
        await inode.ilock.down_read()
        await self.k.journal.complete(inode.number)
        await inode.ilock.up_read()

    # -- life of the inode and the super block -------------------------------------------------------------------

    async def unlink(self, inode: Inode) -> int:
        """xfs_remove: the name goes; mappings, entries and references to pages stay."""
        await self.xfs_trans_alloc_inode(inode)
        await inode.i_nlink.write(0)
        await self.xfs_trans_commit(inode)
        return 0

    async def evict_inode(self, inode: Inode) -> None:
        """Delete the entries, and leave the rest to a worker. Nothing waits for references to pages."""
        await self.k.truncate.truncate_inode_pages_final(inode.i_mapping)
        await self.xfs_inode_mark_reclaimable(inode)

    async def xfs_inode_mark_reclaimable(self, inode: Inode) -> None:
        """s_op->destroy_inode: whoever drops the last reference does not free the blocks."""
        await self.k.inodegc.queue(inode.number)

    async def inodegc(self) -> int:
        """xfs_inodegc_worker: wait until a file is gone, and free its blocks; not while the file system is frozen."""
        number = await self.k.inodegc.take()
        await self.xfs_inodegc_inactivate(number)
        return 0

    async def xfs_inodegc_inactivate(self, number: int) -> None:
        """xfs_inactive of a file without a name."""
        inode = self.k.inode_by_number(number)
        if not await inode.cow_fork.empty():
            await self.xfs_reflink_cancel_cow_range(inode, 0, len(inode.extents) - 1)
        await self.xfs_inactive_truncate(inode)
        await self.k.inodegc.done(number)

    async def xfs_inactive_truncate(self, inode: Inode) -> None:
        """Free all blocks. No IOLOCK and no MMAPLOCK: nobody can find the file."""
        await self.xfs_trans_alloc_inode(inode)
        await inode.i_size.write(0)
        await self.xfs_itruncate_extents(inode, 0)
        await self.xfs_trans_commit(inode)

    async def sync_fs(self) -> None:
        """xfs_fs_sync_fs during a freeze: force the log, and stop the worker, after it has done what it has to do.

        Known deviation: what it has not begun by then is done by the freezer.
        """
        await self.k.journal.force_commit()
        await self.k.inodegc.stop()
        while (number := await self.k.inodegc.drain()) is not None:
            await self.xfs_inodegc_inactivate(number)

    async def freeze_fs(self) -> None:
        """xfs_fs_freeze: xfs_log_quiesce"""
        await self.k.journal.force_commit()

    async def unfreeze_fs(self) -> None:
        """xfs_fs_unfreeze"""
        await self.k.inodegc.start()

    # -- memory failure ------------------------------------------------------------------------------------------

    async def notify_failure(self, first: int, pages: int, flags: int) -> int:
        """xfs_dax_notify_failure (fs/xfs/xfs_notify_failure.c, v6.0).

        Known deviation: v6.0 computes nonsense from the length with which kill_dax says that all of the device is gone.
        """
        if not self.k.machine.rmapbt:
            return -EOPNOTSUPP
        return await self.xfs_dax_notify_ddev_failure(range(first, min(first + pages, self.k.device_pages)), flags)

    async def xfs_dax_notify_ddev_failure(self, blocks: range, flags: int) -> int:
        """Ask the reverse map, with AGF locked, and tell each file at once."""
        await self.k.agf.acquire()
        error = 0
        for record in await self.xfs_rmap_query_range(blocks):
            error = error or await self.xfs_dax_failure_fn(record, flags)
        await self.k.agf.release()
        return error

    async def xfs_rmap_query_range(self, blocks: range) -> list[RmapRecord]:
        """The records of a range of blocks; AGF is held."""
        records: list[RmapRecord] = []
        for pfn in blocks:
            for number, index in await self.k.allocator.owners_of(pfn):
                before = next((each for each in records if each.goes_on_with(number, index, pfn)), None)
                if before is None:
                    records.append(RmapRecord(number, index, pfn, 1))
                else:
                    records[records.index(before)] = before._replace(pages=before.pages + 1)
        return records

    async def xfs_dax_failure_fn(self, record: RmapRecord, flags: int) -> int:
        """One record: 0 or a negative error. CoW forks have no file's records: a failure there shuts xfs down."""
        inode = self.k.inode_by_number(record.number)
        for offset in range(record.pages):
            if await inode.cow_fork.has(record.first + offset, record.pfn + offset):
                return -EFSCORRUPTED
        if not await self.k.vfs.igrab(inode):
            return -EAGAIN
        error = await self.k.memory_failure.mf_dax_kill_procs(
            inode.i_mapping, record.first, record.pages, flags, record.pfn
        )
        await self.xfs_irele(inode)
        return error

    async def xfs_irele(self, inode: Inode) -> None:
        """Drop the reference that a failure holds of a file (fs/xfs/xfs_inode.c, v6.0)."""
        await self.k.vfs.iput(inode)
