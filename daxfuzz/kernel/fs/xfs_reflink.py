"""Files that share blocks on xfs (fs/xfs/xfs_reflink.c, v6.0), the layout breaking of two files, and transactions.

A block is shared while the allocator knows more than one owner of it (xfs: its record in the refcount btree).

Known deviations: dedupe compares both ranges in step, where v6.0 compares wrongly beyond the first extent; there is no
worker that cleans up CoW forks, and unshare is left out, since v6.0 puts page-cache pages into DAX files with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.kernel.errno import EBADE, EINTR, EINVAL, EIO, ENOSPC, EWOULDBLOCK
from daxfuzz.kernel.fs.filesystem import Filesystem
from daxfuzz.kernel.inode import block_of, mapped_block
from daxfuzz.sim import Signal, TaskState, WaitEntry, wait_event

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode


SECOND = 1
"""Subclass of the second of two locks of one class (I_MUTEX_NONDIR2, xfs_lock_inumorder)."""


class CowExtent(NamedTuple):
    """What a write to a file that may share blocks has found.

    pfn: the first block of the CoW fork that it is to use; None if there is none.
    source: the block of the data fork; None for what reads as zeroes.
    pages: length of both. shared: whether a copy is needed. error: 0 or negative.
    """

    pfn: int | None
    source: int | None
    pages: int
    shared: bool = False
    error: int = 0


class XfsReflink(Filesystem):
    """The part of xfs below :class:`daxfuzz.kernel.fs.xfs.Xfs`."""

    # -- transactions --------------------------------------------------------------------------------------------

    async def xfs_trans_alloc_inode(self, inode: Inode) -> None:
        """Start a transaction and take ILOCK for it."""
        await self.k.sb.intwrite.down_read()
        await inode.ilock.down_write()

    async def xfs_trans_commit(self, inode: Inode) -> None:
        """Commit, or cancel what is clean, and drop ILOCK. Known deviation: also what is clean is logged."""
        await self.xfs_trans_end(inode)
        await inode.ilock.up_write()

    async def xfs_trans_end(self, inode: Inode) -> None:
        """The end of a transaction but for ILOCK: it is logged, and gives up what it has locked beside that."""
        await self.k.journal.log_commit(inode.number)
        await self.xfs_trans_free()

    async def xfs_trans_cancel(self, inode: Inode) -> None:
        """Give a transaction up that has changed nothing, and drop ILOCK."""
        await self.xfs_trans_free()
        await inode.ilock.up_write()

    async def xfs_trans_free(self) -> None:
        """Give up what a transaction has locked beside ILOCK."""
        if self.k.agf in self.k.world.current.held:
            await self.k.agf.release()
        await self.k.sb.intwrite.up_read()

    async def xfs_read_agf(self) -> None:
        """xfs_alloc_read_agf: lock the header of the allocation group until the transaction ends, unless it has it."""
        if self.k.agf not in self.k.world.current.held:
            await self.k.agf.acquire()

    async def xfs_alloc_extent(self, inode: Inode, index: int, pages: int) -> range:
        """Blocks for file pages, within a transaction: all, or one, or none without space."""
        await self.xfs_read_agf()
        blocks = await self.k.allocator.allocate_extent(inode.number, index, pages)
        if not blocks and await self.k.allocator.pending():
            # xfs_extent_busy_flush
            await self.k.journal.force_commit()
            blocks = await self.k.allocator.allocate_extent(inode.number, index, pages)
        return blocks

    async def xfs_free_extent(self, pfn: int, inode: Inode, index: int) -> None:
        """Lower the count of a block, within a transaction, and free it with the last one.

        Without a disk there is no commit any more, and the block stays.
        """
        await self.xfs_read_agf()
        if await self.k.dax_device.blk_queue_enter():
            await self.k.allocator.free(pfn, inode.number, index, busy=True, committed=False)
            await self.k.dax_device.blk_queue_exit()

    async def xfs_reflink_find_shared(self, pfn: int) -> bool:
        """Whether a block is shared, by the refcount btree; outside of transactions AGF is unlocked again."""
        mine = self.k.agf in self.k.world.current.held
        if not mine:
            await self.k.agf.acquire()
        shared = await self.k.allocator.shared(pfn)
        if not mine:
            await self.k.agf.release()
        return shared

    # -- layouts -------------------------------------------------------------------------------------------------

    async def xfs_break_layouts(self, inode: Inode) -> int:
        """BREAK_UNMAP: until no page of the file is busy and nobody has a lease: 0 or -ERESTARTSYS.

        MMAPLOCK is dropped while asleep, for a lease IOLOCK, too.
        """
        retry = True
        error = 0
        while retry and not error:
            error, retry = await self.xfs_break_dax_layouts(inode)
            if not error and not retry:
                error, retry = await self.xfs_break_leased_layouts(inode, mmaplock=True)
        return error

    async def xfs_break_leased_layouts(self, inode: Inode, mmaplock: bool) -> tuple[int, bool]:
        """Wait until nobody has a lease of the layout (pNFS): an error, and whether locks were dropped.

        IOLOCK is held, and MMAPLOCK if `mmaplock`. v6.0 forgets the error of the wait, and waits again.
        """
        unlocked = False
        while await self.break_layout(inode, wait=False):
            await self.xfs_wait_leased_layout(inode, mmaplock)
            unlocked = True
        return 0, unlocked

    async def xfs_wait_leased_layout(self, inode: Inode, mmaplock: bool) -> int:
        """Wait with the locks dropped: 0 or -ERESTARTSYS. (In the kernel a part of its caller.)"""
        await inode.i_rwsem.up_write()
        if mmaplock:
            await inode.i_mapping.invalidate_lock.up_write()
        error = await self.break_layout(inode, wait=True)
        await inode.i_rwsem.down_write()
        if mmaplock:
            await inode.i_mapping.invalidate_lock.down_write()
        return error

    async def break_layout(self, inode: Inode, wait: bool) -> int:
        """Have the leases of a file's layout called back: 0, -EWOULDBLOCK, or -ERESTARTSYS (fs/locks.c, v6.0)."""
        if not await inode.layout_leases.read():
            return 0
        if not wait:
            return -EWOULDBLOCK

        async def returned() -> bool:
            return not await inode.layout_leases.read()

        entry = WaitEntry(self.k.world.current, None)
        return await wait_event(inode.lease_wait, entry, returned, TaskState.INTERRUPTIBLE)

    async def xfs_break_dax_layouts(self, inode: Inode) -> tuple[int, bool]:
        """Wait until one busy page is idle: an error, and whether there was one, so that the caller looks again."""
        if not inode.i_mapping.invalidate_lock.held_for_write():
            self.k.warn("xfs_break_dax_layouts: MMAPLOCK is not held", None)
        page = await self.k.dax.dax_layout_busy_page(inode.i_mapping)
        if page is None:
            return 0, False
        return await self.k.dax.wait_page_idle(page, lambda address: self.xfs_wait_dax_page(inode, address)), True

    async def xfs_wait_dax_page(self, inode: Inode, address: int) -> None:
        """Sleep without MMAPLOCK, since whoever is to end the wait may need it for a fault."""
        lock = inode.i_mapping.invalidate_lock
        await lock.up_write()
        await self.k.var_waitqueues.bucket(address).schedule()
        await lock.down_write()

    async def xfs_ilock2_io_mmap(self, one: Inode, other: Inode) -> int:
        """Take IOLOCK and MMAPLOCK of both files, with no page of them busy: 0 or -ERESTARTSYS."""
        error = await self.xfs_iolock_two_inodes_and_break_layout(one, other)
        if error:
            return error
        error = await self.xfs_mmaplock_two_inodes_and_break_dax_layout(one, other)
        if error:
            await self.inode_unlock_two(one, other)
        return error

    async def xfs_iolock_two_inodes_and_break_layout(self, one: Inode, other: Inode) -> int:
        """IOLOCK of both, in the order of their addresses, with no lease of either: 0 or -ERESTARTSYS."""
        if one.address > other.address:
            one, other = other, one
        while True:
            error = await self.break_layout(one, wait=True)
            if not error and one is not other:
                error = await self.break_layout(other, wait=True)
            if error:
                return error
            await one.i_rwsem.down_write()
            if not await self.break_layout(one, wait=False):
                if one is other:
                    return 0
                await other.i_rwsem.down_write(subclass=SECOND)
                if not await self.break_layout(other, wait=False):
                    return 0
                await other.i_rwsem.up_write()
            await one.i_rwsem.up_write()

    async def xfs_mmaplock_two_inodes_and_break_dax_layout(self, one: Inode, other: Inode) -> int:
        """MMAPLOCK of both, in the order of their numbers. Only the first one is ever slept for."""
        if one.number > other.number:
            one, other = other, one
        while True:
            await one.i_mapping.invalidate_lock.down_write()
            error, retry = await self.xfs_break_dax_layouts(one)
            if error or retry:
                await one.i_mapping.invalidate_lock.up_write()
                if error:
                    return error
                continue
            if one is other or await self.xfs_second_mmaplock(other):
                return 0
            await one.i_mapping.invalidate_lock.up_write()

    async def xfs_second_mmaplock(self, inode: Inode) -> bool:
        """MMAPLOCK of the second file, unless one of its pages is busy. (In the kernel a part of its caller.)"""
        await inode.i_mapping.invalidate_lock.down_write(subclass=SECOND)
        page = await self.k.dax.dax_layout_busy_page(inode.i_mapping)
        if page is None or await page.refcount.read() == 1:
            return True
        await inode.i_mapping.invalidate_lock.up_write()
        return False

    async def xfs_iunlock2_io_mmap(self, source: Inode, dest: Inode) -> None:
        """Drop all locks of both."""
        await dest.i_mapping.invalidate_lock.up_write()
        if source is not dest:
            await source.i_mapping.invalidate_lock.up_write()
        await self.inode_unlock_two(source, dest)

    async def inode_unlock_two(self, source: Inode, dest: Inode) -> None:
        """Drop IOLOCK of both."""
        await dest.i_rwsem.up_write()
        if source is not dest:
            await source.i_rwsem.up_write()

    # -- copy on write -------------------------------------------------------------------------------------------

    async def xfs_reflink_allocate_cow(self, inode: Inode, index: int, pfn: int | None, pages: int) -> CowExtent:
        """What is to replace the extent at `pfn`. ILOCK is held, and dropped to allocate.

        Blocks that somebody else has put into the CoW fork are taken as they are.
        """
        found = await self.xfs_find_trim_cow_extent(inode, index, pfn, pages)
        if found.pfn is not None or not found.shared:
            return found
        assert pfn is not None
        return await self.xfs_reflink_fill_cow_hole(inode, index, pfn, found.pages)

    async def xfs_find_trim_cow_extent(self, inode: Inode, index: int, pfn: int | None, pages: int) -> CowExtent:
        """What the CoW fork has for a page, else whether the block is shared; cut where that changes."""
        found = await inode.cow_fork.lookup(index, index + pages - 1)
        if found is not None and found[0] == index:
            length = 1
            while length < pages and await inode.cow_fork.has(index + length, found[1] + length):
                length += 1
            return CowExtent(found[1], pfn, length, True)
        if found is not None:
            pages = found[0] - index
        if pfn is None:
            return CowExtent(None, None, pages)
        shared, pages = await self.xfs_reflink_trim_around_shared(pfn, pages)
        return CowExtent(None, pfn, pages, shared)

    async def xfs_reflink_trim_around_shared(self, pfn: int, pages: int) -> tuple[bool, int]:
        """Whether a block is shared, and for how many of those behind it the same holds."""
        shared = await self.xfs_reflink_find_shared(pfn)
        length = 1
        while length < pages and await self.xfs_reflink_find_shared(pfn + length) == shared:
            length += 1
        return shared, length

    async def xfs_reflink_fill_cow_hole(self, inode: Inode, index: int, pfn: int, pages: int) -> CowExtent:
        """Look again after the transaction has started, and allocate. In v6.0 `pfn` is what it was before, even if the
        file has another block by now."""
        await inode.ilock.up_write()
        await self.xfs_trans_alloc_inode(inode)
        data, pages = await self.xfs_reflink_resample(inode, index, pfn, pages)
        found = await self.xfs_find_trim_cow_extent(inode, index, data, pages)
        if found.pfn is None and found.shared:
            blocks = await self.xfs_alloc_extent(inode, index, found.pages)
            for offset, block in enumerate(blocks):
                await inode.cow_fork.insert(index + offset, block)
            found = found._replace(pfn=blocks[0] if blocks else None, pages=len(blocks), error=0 if blocks else -ENOSPC)
        await self.xfs_trans_end(inode)
        return found

    async def xfs_reflink_resample(self, inode: Inode, index: int, pfn: int, pages: int) -> tuple[int | None, int]:
        """The extent of the data fork after ILOCK was dropped. v6.0 goes on with the one from before."""
        return pfn, pages

    async def xfs_reflink_end_cow(self, inode: Inode, first: int, last: int) -> None:
        """Remap all blocks of a range from the CoW fork to the data fork, one transaction for each."""
        while first <= last:
            first = await self.xfs_reflink_end_cow_extent(inode, first, last)

    async def xfs_reflink_end_cow_extent(self, inode: Inode, first: int, last: int) -> int:
        """Remap the first block of a range; returns where to go on.

        The forks change before the AGF is locked, which the btrees need. Known deviation: the record that a block is of
        a CoW fork goes with the fork's extent, not with the AGF locked.
        """
        if await self.no_cow_extents(inode):
            return last + 1
        await self.xfs_trans_alloc_inode(inode)
        found = await inode.cow_fork.lookup(first, last)
        if found is None:
            await self.xfs_trans_cancel(inode)
            return last + 1
        index, pfn = found
        await inode.cow_fork.remove(index)
        old = block_of(await inode.extents[index].exchange(pfn))
        if old is not None:
            await self.xfs_free_extent(old, inode, index)
        await self.xfs_trans_commit(inode)
        return index + 1

    async def no_cow_extents(self, inode: Inode) -> bool:
        """Whether there is nothing to remap at all; v6.0 looks without ILOCK."""
        return await inode.cow_fork.empty()

    async def xfs_reflink_cancel_cow_range(self, inode: Inode, first: int, last: int) -> None:
        """Give the blocks of a range in the CoW fork back, in a transaction of its own."""
        await self.xfs_trans_alloc_inode(inode)
        await self.xfs_reflink_cancel_cow_blocks(inode, first, last)
        await self.xfs_trans_commit(inode)

    async def xfs_reflink_cancel_cow_blocks(self, inode: Inode, first: int, last: int) -> None:
        """Free the blocks of a range in the CoW fork; ILOCK is held."""
        if inode.cow_fork.on_cancel is not None:
            inode.cow_fork.on_cancel()
        if await inode.cow_fork.empty():
            return
        while (found := await inode.cow_fork.lookup(first, last)) is not None:
            index, pfn = found
            await self.xfs_free_extent(pfn, inode, index)
            await inode.cow_fork.remove(index)

    async def xfs_itruncate_clear_reflink_flags(self, inode: Inode) -> None:
        """A file without any block shares none; ILOCK is held."""
        if await inode.reflink.read() and await inode.cow_fork.empty():
            for extent in inode.extents:
                if await extent.read() is not None:
                    return
            await inode.reflink.write(False)

    # -- sharing -------------------------------------------------------------------------------------------------

    async def ioctl_file_clone(self, source: Inode, first: int, dest: Inode, to: int, length: int) -> int:
        """0 only if the whole range could be shared."""
        await self.k.sb.writers.down_read()
        remapped = await self.xfs_file_remap_range(source, first, dest, to, length, dedupe=False)
        await self.k.sb.writers.up_read()
        if remapped < 0:
            return remapped
        return 0 if remapped == length else -EINVAL

    async def ioctl_file_dedupe_range(self, source: Inode, first: int, dest: Inode, to: int, length: int) -> int:
        """0 if anything could be shared."""
        await self.k.sb.writers.down_read()
        remapped = await self.xfs_file_remap_range(source, first, dest, to, length, dedupe=True)
        await self.k.sb.writers.up_read()
        return min(remapped, 0)

    async def xfs_file_remap_range(
        self, source: Inode, first: int, dest: Inode, to: int, length: int, dedupe: bool
    ) -> int:
        """The number of pages that are shared now, or a negative error if there are none."""
        error = await self.xfs_ilock2_io_mmap(source, dest)
        if error:
            return error
        remapped = 0
        error = await self.xfs_reflink_remap_prep(source, first, dest, to, length, dedupe)
        if not error:
            remapped, error = await self.xfs_reflink_remap_blocks(source, first, dest, to, length)
            if not error:
                await self.xfs_reflink_update_dest(dest, to + length)
        await self.xfs_iunlock2_io_mmap(source, dest)
        return remapped or error

    async def xfs_reflink_remap_prep(
        self, source: Inode, first: int, dest: Inode, to: int, length: int, dedupe: bool
    ) -> int:
        """Check and flush; the page cache of the range goes in `dest` only. All locks are held."""
        error = await self.dax_remap_file_range_prep(source, first, dest, to, length, dedupe)
        if error:
            return error
        size = await dest.i_size.read()
        if to > size:
            await self.xfs_zero_range(dest, size, to)
        await self.xfs_reflink_set_inode_flag(source, dest)
        return await self.xfs_flush_unmap_range(dest, min(to, size), to + length - 1)

    async def dax_remap_file_range_prep(
        self, source: Inode, first: int, dest: Inode, to: int, length: int, dedupe: bool
    ) -> int:
        """Ranges must lie within the file, and apart; they are flushed, and for dedupe compared.

        (fs/remap_range.c, v6.0)
        """
        if first + length > await source.i_size.read():
            return -EINVAL
        if dedupe and to + length > await dest.i_size.read():
            return -EINVAL
        if source is dest and to < first + length and first < to + length:
            return -EINVAL
        error = await self.k.truncate.filemap_write_and_wait_range(source.i_mapping, first, first + length - 1)
        if not error:
            error = await self.k.truncate.filemap_write_and_wait_range(dest.i_mapping, to, to + length - 1)
        if not error and dedupe:
            error = await self.dax_dedupe_file_range_compare(source, first, dest, to, length)
        return error

    async def dax_dedupe_file_range_compare(self, source: Inode, first: int, dest: Inode, to: int, length: int) -> int:
        """Compare two ranges by the blocks that they have: 0, -EBADE, or -EIO without the device (fs/dax.c, v6.0)."""
        for offset in range(length):
            one = await self.iomap_begin(source, first + offset, write=False)
            other = await self.iomap_begin(dest, to + offset, write=False)
            assert one, "a lookup needs no space"
            assert other, "a lookup needs no space"
            if one.pfn is None and other.pfn is None:
                continue
            if one.pfn is None or other.pfn is None:
                return -EBADE
            error = -EIO
            await self.k.dax_srcu.read_lock()
            if await self.k.dax_alive.read():
                same = await self.k.blocks[one.pfn].read() == await self.k.blocks[other.pfn].read()
                error = 0 if same else -EBADE
            await self.k.dax_srcu.read_unlock()
            if error:
                return error
        return 0

    async def xfs_reflink_set_inode_flag(self, source: Inode, dest: Inode) -> None:
        """Both files may share blocks from now on; ILOCK of both in the order of their numbers."""
        if await source.reflink.read() and await dest.reflink.read():
            return
        one, other = (source, dest) if source.number < dest.number else (dest, source)
        await self.k.sb.intwrite.down_read()
        await one.ilock.down_write()
        if one is not other:
            await other.ilock.down_write(subclass=SECOND)
            await other.reflink.write(True)
            await other.ilock.up_write()
        await one.reflink.write(True)
        await self.k.sb.intwrite.up_read()
        await one.ilock.up_write()

    async def xfs_reflink_remap_blocks(
        self, source: Inode, first: int, dest: Inode, to: int, length: int
    ) -> tuple[int, int]:
        """Share block by block: how many, and an error. A fatal signal ends it."""
        for offset in range(length):
            await source.ilock.down_read()
            pfn = mapped_block(await source.extents[first + offset].read())
            await source.ilock.up_read()
            await self.xfs_reflink_remap_extent(dest, to + offset, pfn)
            if self.k.world.current.signal is Signal.FATAL:
                return offset, -EINTR
        return length, 0

    async def xfs_reflink_remap_extent(self, inode: Inode, index: int, pfn: int | None) -> None:
        """One transaction: drop the block that was there, share the new one, and make the file longer if need be."""
        await self.xfs_trans_alloc_inode(inode)
        old = block_of(await inode.extents[index].read())
        if old != pfn:
            await self.xfs_refcount_exchange(inode, index, old, pfn)
            await inode.extents[index].write(pfn)
            if await inode.i_size.read() <= index:
                await inode.i_size.write(index + 1)
        await self.xfs_trans_commit(inode)

    async def xfs_refcount_exchange(self, inode: Inode, index: int, old: int | None, pfn: int | None) -> None:
        """xfs_refcount_decrease_extent of what was at a page, and xfs_refcount_increase_extent of what comes there.

        Both or none: without a disk there is no commit any more. (In the kernel the transaction's deferred items.)
        """
        await self.xfs_read_agf()
        if not await self.k.dax_device.blk_queue_enter():
            return
        if old is not None:
            await self.k.allocator.free(old, inode.number, index, busy=True, committed=False)
        if pfn is not None:
            await self.k.allocator.share(pfn, inode.number, index)
        await self.k.dax_device.blk_queue_exit()

    async def xfs_reflink_update_dest(self, dest: Inode, size: int) -> None:
        """Make the file longer if the blocks at the end, being holes, have not done so."""
        if size <= await dest.i_size.read():
            return
        await self.xfs_trans_alloc_inode(dest)
        await dest.i_size.write(size)
        await self.xfs_trans_commit(dest)

    # -- ranges --------------------------------------------------------------------------------------------------

    async def xfs_flush_unmap_range(self, inode: Inode, first: int, last: int) -> int:
        """Write a range back and drop its page cache: 0 or a negative error."""
        error = await self.k.truncate.filemap_write_and_wait_range(inode.i_mapping, first, last)
        if not error:
            await self.k.truncate.truncate_pagecache_range(inode.i_mapping, first, last)
        return error

    async def xfs_zero_range(self, inode: Inode, first: int, stop: int) -> None:
        """Zero what blocks have data between the end of the file and its new end (dax_zero_range)."""
        for index in range(first, stop):
            exclusive = await inode.reflink.read()
            await (inode.ilock.down_write if exclusive else inode.ilock.down_read)()
            pfn = mapped_block(await inode.extents[index].read())
            await (inode.ilock.up_write if exclusive else inode.ilock.up_read)()
            if pfn is not None:
                await self.k.dax_srcu.read_lock()
                if await self.k.dax_alive.read():
                    await self.k.blocks[pfn].zero()
                await self.k.dax_srcu.read_unlock()
