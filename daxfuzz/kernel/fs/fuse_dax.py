"""DAX on virtio-fs: a window of device memory in which the host maps slices of files (fs/fuse/dax.c, v6.0).

A file page has a page of the window only as long as a range of the window is mapped to its slice of the file; ranges
are few, and go from file to file. Whoever takes a range away answers for the pages' users, as truncation does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from daxfuzz.kernel.errno import EAGAIN, EFAULT, EINTR, EIO
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.sim import TaskState, WaitEntry, wait_event

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.filesystem import UserCopy
    from daxfuzz.kernel.fs.fuse_conn import Dmap, FuseConnDax
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.memory import Fault
    from daxfuzz.sim import Cell


FUSE_DAX_RECLAIM_CHUNK = 10
"""Ranges that the worker tries to free in one run."""


class FuseDax(Subsystem):
    """Lock order: i_rwsem, invalidate_lock, entry lock, fi.dax.sem, fcd.lock.

    Reclaim takes entry locks below fi.dax.sem; that is safe, since it holds invalidate_lock against faults.
    """

    def conn(self) -> FuseConnDax:
        """fc->dax"""
        conn = self.k.fuse_conn
        assert conn is not None, "only a fuse mount has ranges"
        return conn

    # -- the lists of ranges; fcd.lock is held where a name begins with an underscore ------------------------------

    async def _kick_dmap_free_worker(self) -> None:
        """Queue the worker if too few ranges are free."""
        conn = self.conn()
        if await conn.nr_free_ranges.read() < conn.threshold():
            await conn.free_work.write(True)

    async def kick_dmap_free_worker(self) -> None:
        """The same for those who do not hold fcd.lock."""
        lock = self.conn().lock
        await lock.acquire()
        await self._kick_dmap_free_worker()
        await lock.release()

    async def alloc_dax_mapping(self) -> Dmap | None:
        """Take the first free range, None if there is none."""
        conn = self.conn()
        dmap = None
        await conn.lock.acquire()
        free = await conn.free_ranges.read()
        if free:
            dmap = free[0]
            await conn.free_ranges.write(free[1:])
            count = await conn.nr_free_ranges.read()
            if count <= 0:
                self.k.warn("alloc_dax_mapping: no range should be free", None)
            await conn.nr_free_ranges.write(count - 1)
        await self._kick_dmap_free_worker()
        await conn.lock.release()
        return dmap

    async def list_add_tail(self, ranges: Cell[tuple[Dmap, ...]], dmap: Dmap) -> None:
        """Append a range to a list; one that is there already would corrupt it (CONFIG_DEBUG_LIST)."""
        old = await ranges.read()
        if dmap in old:
            self.k.warn("list_add corruption: the range is on the list already", None)
            return
        await ranges.write((*old, dmap))

    async def _dmap_remove_busy_list(self, dmap: Dmap) -> None:
        """Take a range off the list of busy ones."""
        busy = self.conn().busy_ranges
        old = await busy.read()
        await busy.write(tuple(other for other in old if other is not dmap))

    async def dmap_remove_busy_list(self, dmap: Dmap) -> None:
        """The same for those who do not hold fcd.lock."""
        lock = self.conn().lock
        await lock.acquire()
        await self._dmap_remove_busy_list(dmap)
        await lock.release()

    async def _dmap_add_to_free_pool(self, dmap: Dmap) -> None:
        """A range is free: wake those who wait for one, of the exclusive waiters one."""
        conn = self.conn()
        await self.list_add_tail(conn.free_ranges, dmap)
        await conn.nr_free_ranges.write(await conn.nr_free_ranges.read() + 1)
        await conn.range_waitq.wake()

    async def dmap_add_to_free_pool(self, dmap: Dmap) -> None:
        """The same for those who do not hold fcd.lock."""
        lock = self.conn().lock
        await lock.acquire()
        await self._dmap_add_to_free_pool(dmap)
        await lock.release()

    async def dmap_reinit_add_to_free_pool(self, dmap: Dmap) -> None:
        """A busy range becomes a free one; fcd.lock is held."""
        await self._dmap_remove_busy_list(dmap)
        await dmap.inode.write(None)
        await dmap.start.write(0)
        await self._dmap_add_to_free_pool(dmap)

    # -- the tree of a file; fi.dax.sem is held --------------------------------------------------------------------

    async def lookup(self, inode: Inode, start: int) -> Dmap | None:
        """The range that a slice of a file is mapped in (interval_tree_iter_first)."""
        for key, dmap in await inode.fuse.tree.read():
            if key == start:
                return dmap
        return None

    async def tree_remove(self, inode: Inode, dmap: Dmap) -> None:
        """Take a range out of a file's tree."""
        tree = await inode.fuse.tree.read()
        await inode.fuse.tree.write(tuple(item for item in tree if item[1] is not dmap))

    async def fuse_setup_one_mapping(self, inode: Inode, start: int, dmap: Dmap, writable: bool, upgrade: bool) -> int:
        """Have the server map a slice in a range, or, with `upgrade`, map it again: 0 or a negative error.

        sem is held exclusively.
        """
        fuse = inode.fuse
        error = await self.k.virtiofsd.do_setupmapping(inode, start, dmap, writable)
        if error:
            return error
        await dmap.writable.write(writable)
        if not upgrade:
            await dmap.inode.write(inode)
            await dmap.start.write(start)
            tree = await fuse.tree.read()
            await fuse.tree.write(tuple(sorted((*tree, (start, dmap)), key=lambda item: item[0])))
            await fuse.nr.write(await fuse.nr.read() + 1)
            conn = self.conn()
            await conn.lock.acquire()
            await self.list_add_tail(conn.busy_ranges, dmap)
            await conn.lock.release()
        return 0

    # -- iomap -------------------------------------------------------------------------------------------------------

    async def fuse_fill_iomap(self, inode: Inode, index: int, dmap: Dmap, pages: int) -> Iomap:
        """The extent at a file page, with a reference on its range, or a hole beyond the end of the file."""
        conn = self.conn()
        size = await inode.i_size.read()
        offset = index - await dmap.start.read() * conn.range_pages
        length = min(pages, conn.range_pages - offset, size - index)
        if length <= 0:
            return Iomap(None, pages=pages)
        await dmap.refcnt.add(1)
        return Iomap(conn.pfns(dmap.number).start + offset, pages=length, private=dmap)

    async def fuse_iomap_begin(self, inode: Inode, index: int, write: bool, pages: int, fault: bool) -> Iomap:
        """Find the range of a slice, or set one up. i_rwsem is held, or for a fault invalidate_lock shared."""
        sem = inode.fuse.sem
        await sem.down_read()
        dmap = await self.lookup(inode, index // self.conn().range_pages)
        if dmap is None:
            await sem.up_read()
            if index >= await inode.i_size.read():
                return Iomap(None, pages=pages)
            return await self.fuse_setup_new_dax_mapping(inode, index, write, pages, fault)
        if write and not await dmap.writable.read():
            # The reference keeps reclaim away while the lock is dropped.
            await dmap.refcnt.add(1)
            await sem.up_read()
            return await self.fuse_upgrade_dax_mapping(inode, index, pages)
        iomap = await self.fuse_fill_iomap(inode, index, dmap, pages)
        await sem.up_read()
        return iomap

    async def fuse_iomap_end(self, iomap: Iomap) -> int:
        """Drop the reference on the range; neither page-table entries nor pins have one."""
        if iomap.private is not None:
            await self.dmap_put(iomap.private)
        return 0

    async def dmap_put(self, dmap: Dmap) -> None:
        """Drop a reference; the last one belongs to the mount."""
        if await dmap.refcnt.add_return(-1) == 0:
            self.k.warn("fuse: a range lost its last reference", None)

    async def fuse_setup_new_dax_mapping(self, inode: Inode, index: int, write: bool, pages: int, fault: bool) -> Iomap:
        """Get a range and map the slice in it, unless somebody has done so meanwhile.

        A fault cannot reclaim: it holds invalidate_lock, shared. It goes back with -EAGAIN and waits without it.
        """
        dmap: Dmap | int | None
        if fault:
            dmap = await self.alloc_dax_mapping()
            if dmap is None:
                return Iomap(None, error=-EAGAIN)
        else:
            dmap = await self.alloc_dax_mapping_reclaim(inode)
            if isinstance(dmap, int):
                return Iomap(None, error=dmap)
        start = index // self.conn().range_pages
        sem = inode.fuse.sem
        await sem.down_write()
        other = await self.lookup(inode, start)
        if other is not None:
            iomap = await self.fuse_fill_iomap_of_other(inode, index, write, other, pages)
            await self.dmap_add_to_free_pool(dmap)
            await sem.up_write()
            return iomap
        error = await self.fuse_setup_one_mapping(inode, start, dmap, write, upgrade=False)
        if error:
            await self.dmap_add_to_free_pool(dmap)
            await sem.up_write()
            return Iomap(None, error=error)
        iomap = await self.fuse_fill_iomap(inode, index, dmap, pages)
        await sem.up_write()
        return iomap

    async def fuse_fill_iomap_of_other(self, inode: Inode, index: int, write: bool, dmap: Dmap, pages: int) -> Iomap:
        """What to do with a range that somebody else has set up meanwhile: use it as it is."""
        return await self.fuse_fill_iomap(inode, index, dmap, pages)

    async def fuse_upgrade_dax_mapping(self, inode: Inode, index: int, pages: int) -> Iomap:
        """Have the slice of a range mapped for writing, too; the caller has taken a reference on the range."""
        start = index // self.conn().range_pages
        sem = inode.fuse.sem
        await sem.down_write()
        dmap = await self.lookup(inode, start)
        if dmap is None:
            self.k.warn("fuse_upgrade_dax_mapping: the range is gone", None)
            await sem.up_write()
            return Iomap(None, error=-EIO)
        await self.dmap_put(dmap)
        error = 0
        if not await dmap.writable.read():
            error = await self.fuse_setup_one_mapping(inode, start, dmap, True, upgrade=True)
        iomap = Iomap(None, error=error) if error else await self.fuse_fill_iomap(inode, index, dmap, pages)
        await sem.up_write()
        return iomap

    # -- faults ------------------------------------------------------------------------------------------------------

    async def _fuse_dax_fault(self, vmf: Fault) -> VmFault:
        """Writes, also private ones, exclude freezing, in all their tries."""
        if not vmf.write:
            return await self.fuse_dax_fault_retry(vmf)
        await self.k.sb.pagefault.down_read()
        result = await self.fuse_dax_fault_retry(vmf)
        await self.k.sb.pagefault.up_read()
        return result

    async def fuse_dax_fault_retry(self, vmf: Fault) -> VmFault:
        """Faults exclude truncation and reclaim; without a free range they wait for one, asleep without the lock."""
        lock = vmf.vma.mapping.invalidate_lock
        while True:
            await lock.down_read()
            vmf.error = 0
            result = await self.k.dax_fault.dax_iomap_fault(vmf)
            await lock.up_read()
            if vmf.error != -EAGAIN:
                return result
            if not self.may_wait(vmf) or not self.keeps_mmap_lock:
                return VmFault.RETRY
            await self.wait_for_free_range()

    keeps_mmap_lock: ClassVar[bool] = True
    """Whether a fault has mmap_lock while it waits for a free range."""

    def may_wait(self, vmf: Fault) -> bool:
        """Whether a fault may sleep until a range is free. Every one does, also with FAULT_FLAG_RETRY_NOWAIT."""
        return True

    async def wait_for_free_range(self) -> None:
        """What a fault does between two tries; mmap_lock stays held, and no signal ends the wait."""
        conn = self.conn()
        if not await self.range_is_free():
            entry = WaitEntry(self.k.world.current)
            await wait_event(conn.range_waitq, entry, self.range_is_free, TaskState.UNINTERRUPTIBLE)

    async def range_is_free(self) -> bool:
        """Whether any range is free; a look without the lock."""
        return await self.conn().nr_free_ranges.read() > 0

    # -- write(2) ----------------------------------------------------------------------------------------------------

    async def fuse_dax_write_iter(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> int:
        """Write through the window, or, where the file grows, by a request."""
        await inode.i_rwsem.down_write()
        if index >= await inode.i_size.read():
            error = await self.fuse_dax_direct_write(inode, index, value, copy)
        else:
            error = await self.fuse_dax_window_write(inode, index, value, copy)
        await inode.i_rwsem.up_write()
        return error

    async def fuse_dax_window_write(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> int:
        """The part of fuse_dax_write_iter that needs a range; the range is in use while the user's data is copied."""
        return await self.k.dax_io.dax_iomap_rw(inode, index, value, copy)

    async def fuse_dax_direct_write(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> int:
        """FUSE_WRITE, then the new size.

        Known deviation: the user's pages are touched, where the kernel pins them for as long as the request takes.
        """
        if copy is not None and not await copy(False):
            return -EFAULT
        error = await self.k.virtiofsd.do_write(inode, index, value)
        if not error:
            await self.fuse_write_update_attr(inode, index + 1)
        return error

    async def fuse_write_update_attr(self, inode: Inode, size: int) -> None:
        """The file may have grown on the server. i_rwsem is held, which here stands for fi->lock."""
        if size > await inode.i_size.read():
            await inode.i_size.write(size)

    # -- layout ------------------------------------------------------------------------------------------------------

    async def fuse_dax_break_layouts(self, inode: Inode, first: int, last: int) -> int:
        """Wait until no page of a range of file pages is busy: 0 or -ERESTARTSYS. invalidate_lock is held
        exclusively, and dropped while asleep."""
        error = 0
        while not error:
            page = await self.k.dax.dax_layout_busy_page(inode.i_mapping, first, last)
            if page is None:
                break
            error = await self.k.dax.wait_page_idle(page, lambda address: self.fuse_wait_dax_page(inode, address))
        return error

    async def fuse_wait_dax_page(self, inode: Inode, address: int) -> None:
        """Sleep without invalidate_lock."""
        lock = inode.i_mapping.invalidate_lock
        await lock.up_write()
        await self.k.var_waitqueues.bucket(address).schedule()
        await lock.down_write()

    # -- reclaim -----------------------------------------------------------------------------------------------------

    async def dmap_writeback_invalidate(self, inode: Inode, start: int) -> int:
        """Write a slice back and drop its entries: 0 or a negative error."""
        first = start * self.conn().range_pages
        last = min(first + self.conn().range_pages, len(inode.extents)) - 1
        error = await self.k.truncate.filemap_fdatawrite_range(inode.i_mapping, first, last)
        if error:
            return error
        return await self.k.truncate.invalidate_inode_pages2_range(inode.i_mapping, first, last)

    async def reclaim_one_dmap_locked(self, inode: Inode, dmap: Dmap) -> int:
        """Take a range away from its file; invalidate_lock and sem are held exclusively, no page is busy."""
        error = await self.dmap_writeback_invalidate(inode, await dmap.start.read())
        if error:
            return error
        await self.tree_remove(inode, dmap)
        await inode.fuse.nr.write(await inode.fuse.nr.read() - 1)
        await self.k.virtiofsd.do_removemapping(dmap)
        return 0

    async def inode_lookup_first_dmap(self, inode: Inode) -> Dmap | None:
        """The first range of a file that no iomap uses; sem is held."""
        for _, dmap in await inode.fuse.tree.read():
            if await dmap.refcnt.read() <= 1:
                return dmap
        return None

    async def inode_inline_reclaim_one_dmap(self, inode: Inode) -> tuple[Dmap | int | None, bool]:
        """Take one range away from this very file, for the caller: the range, an error or None; whether to retry."""
        conn = self.conn()
        mapping = inode.i_mapping
        sem = inode.fuse.sem
        result: tuple[Dmap | int | None, bool] = (None, False)
        await mapping.invalidate_lock.down_write()
        await sem.down_read()
        dmap = await self.inode_lookup_first_dmap(inode)
        start = 0 if dmap is None else await dmap.start.read()
        await sem.up_read()
        if dmap is not None:
            first = start * conn.range_pages
            error = await self.fuse_dax_break_layouts(inode, first, first + conn.range_pages - 1)
            if error:
                result = (error, False)
            else:
                await sem.down_write()
                result = await self.inline_reclaim_locked(inode, dmap, start)
                await sem.up_write()
        await mapping.invalidate_lock.up_write()
        return result

    async def inline_reclaim_locked(self, inode: Inode, dmap: Dmap, start: int) -> tuple[Dmap | int | None, bool]:
        """The part of inode_inline_reclaim_one_dmap under sem. If the slice has lost its range during the wait, the
        range that was found before is what it returns."""
        found = await self.lookup(inode, start)
        if found is None:
            return dmap, True
        if await found.refcnt.read() > 1:
            return None, True
        error = await self.reclaim_one_dmap_locked(inode, found)
        if error:
            return error, False
        await self.dmap_remove_busy_list(found)
        await found.inode.write(None)
        await found.start.write(0)
        return found, False

    async def alloc_dax_mapping_reclaim(self, inode: Inode) -> Dmap | int:
        """A range for read(2) or write(2): a free one, or one of the same file, or wait: the range or an error.

        It sleeps only if the file has no range at all, since the worker cannot take those of a file whose
        invalidate_lock is held; else it tries again and again.
        """
        conn = self.conn()
        while True:
            dmap = await self.alloc_dax_mapping()
            if dmap is not None:
                return dmap
            found, retry = await self.inode_inline_reclaim_one_dmap(inode)
            if found is not None:
                return found
            if retry:
                continue
            if not await inode.fuse.nr.read() and not await self.range_is_free():
                entry = WaitEntry(self.k.world.current, exclusive=True)
                if await wait_event(conn.range_waitq, entry, self.range_is_free, TaskState.KILLABLE):
                    return -EINTR

    async def lookup_and_reclaim_dmap_locked(self, inode: Inode, start: int) -> int:
        """Free the range of a slice, if it still has one that no iomap uses."""
        dmap = await self.lookup(inode, start)
        if dmap is None or await dmap.refcnt.read() > 1:
            return 0
        error = await self.reclaim_one_dmap_locked(inode, dmap)
        if error:
            return error
        lock = self.conn().lock
        await lock.acquire()
        await self.dmap_reinit_add_to_free_pool(dmap)
        await lock.release()
        return 0

    async def lookup_and_reclaim_dmap(self, inode: Inode, start: int) -> int:
        """Free the range of a slice: 0, also if that was not possible, or a negative error."""
        size = self.conn().range_pages
        lock = inode.i_mapping.invalidate_lock
        await lock.down_write()
        error = await self.fuse_dax_break_layouts(inode, start * size, (start + 1) * size - 1)
        if not error:
            await inode.fuse.sem.down_write()
            error = await self.lookup_and_reclaim_dmap_locked(inode, start)
            await inode.fuse.sem.up_write()
        await lock.up_write()
        return error

    async def pick_busy_dmap(self) -> tuple[Inode, int] | None:
        """The file, with a reference, and the slice of the first busy range that no iomap uses.

        The range goes to the end of the list. Files that are going away give their ranges back themselves.
        """
        conn = self.conn()
        found = None
        await conn.lock.acquire()
        busy = await conn.busy_ranges.read()
        for dmap in busy:
            if await dmap.refcnt.read() > 1:
                continue
            inode = await dmap.inode.read()
            if inode is None or not await self.k.vfs.igrab(inode):
                continue
            await conn.busy_ranges.write((*(other for other in busy if other is not dmap), dmap))
            found = (inode, await dmap.start.read())
            break
        await conn.lock.release()
        return found

    async def try_to_free_dmap_chunks(self, count: int) -> int:
        """Free up to so many ranges: 0 or a negative error."""
        for _ in range(count):
            found = await self.pick_busy_dmap()
            if found is None:
                return 0
            inode, start = found
            error = await self.lookup_and_reclaim_dmap(inode, start)
            await self.k.vfs.iput(inode)
            if error:
                return error
        return 0

    async def fuse_dax_free_mem_worker(self) -> int:
        """One run of the worker, if it is queued.

        Known deviation: the kernel runs it whenever it is queued, here a task of the program does so once; it can
        get signals, which a worker of the kernel does not.
        """
        conn = self.conn()
        error = 0
        await conn.free_worker.acquire()
        if await conn.free_work.exchange(False):
            error = await self.try_to_free_dmap_chunks(FUSE_DAX_RECLAIM_CHUNK)
            await self.kick_dmap_free_worker()
        await conn.free_worker.release()
        return error

    # -- the end of an inode -----------------------------------------------------------------------------------------

    async def fuse_dax_inode_cleanup(self, inode: Inode) -> None:
        """Give all ranges of an inode back that is going away. Takes neither sem nor invalidate_lock."""
        removed = []
        while tree := await inode.fuse.tree.read():
            dmap = tree[0][1]
            if await dmap.refcnt.read() > 1:
                self.k.warn("inode_reclaim_dmap_range: the range is in use", None)
            await inode.fuse.tree.write(tree[1:])
            removed.append(dmap)
        if not removed:
            return
        await inode.fuse.nr.write(await inode.fuse.nr.read() - len(removed))
        for dmap in reversed(removed):
            await self.k.virtiofsd.do_removemapping(dmap)
        lock = self.conn().lock
        await lock.acquire()
        for dmap in reversed(removed):
            await self.dmap_reinit_add_to_free_pool(dmap)
        await lock.release()
