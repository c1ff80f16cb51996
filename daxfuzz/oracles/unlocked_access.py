"""Accesses without the lock that protects what is accessed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from daxfuzz.kernel.mm import TABLE
from daxfuzz.oracles.file_rules import FileRules
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.program.simulation import UNBORN
from daxfuzz.sim import GuardedCell, Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.fs.fuse_conn import Dmap
    from daxfuzz.kernel.inode import Extent, Inode
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.kernel.page import Page
    from daxfuzz.kernel.xarray import XArray
    from daxfuzz.sim import Cell, Lock, Mutex, Rcu, Shared, Task

Ranges = tuple[tuple[int, "Dmap"], ...]

Rule = tuple["Cell[Any]", "Lock"]
"""A variable, and the lock that whoever stores there holds exclusively."""


class UnlockedAccess(Oracle):
    """What lockdep_assert_held would say at a load or a store.

    Stored under a lock: page-table entries (under that of their table), the VMAs of a process (mmap_lock) and of a
    file (i_mmap_rwsem), the size of a file (i_rwsem), its extents (the lock of the block map), the lists of ranges of
    virtio-fs (theirs), the marks of entries (xa_lock), and in a page, which file page it is (the xa_lock of a file),
    and where page-table entries hold references, how many map it (the lock of a page table, mm/rmap.c).
    Lists and extents are also looked at under their locks only, dax_alive in sections of dax_srcu, and pgmap_array in
    those of RCU.

    Of xfs also: who has which block (the AGF, until the transaction that frees one commits), the CoW fork (ILOCK), and
    what of an inode a transaction commits (ILOCK). Of ext4: a handle is opened by who keeps a freeze away.
    Of the VFS: the state of a freeze (s_umount), the pages in a pipe (its mutex), and the descriptors of several
    threads (file_lock). Of virtio-fs: a range leaves a file that stays with faults locked out, and gets users under
    the lock of the file's ranges. Of a device: whether it has a driver (device_lock), and a page map that was looked up
    is kept from going by RCU.
    :mod:`daxfuzz.oracles.file_rules` has what changes of a file ask for, and the search for busy pages. A page cache
    gets new entries and marks, and loses those of blocks, with truncation locked out (invalidate_lock), so that who
    breaks a layout sees all; but for the removal of a device. It is walked over, or down to an entry, under a spinlock
    or in a section of RCU. After what only these find, the execution goes on.

    Nobody else can have a file whose last reference is gone; nor a page table that munmap frees, since no VMA leads
    there any more.
    """

    kinds = ("unlocked-access",)

    def reset(self) -> None:
        self.reported: list[tuple[str, int]] = []

    def memory(self) -> Hashable:
        return tuple(sorted(self.reported))

    def attach(self) -> None:
        for mm in self.kernel.mms:
            for cell, lock in rules_of(mm):
                self.guard(cell, lock)
        self.rules = FileRules(self.sim)
        self.association_lock = self.kernel.dax.association_lock()
        for inode in self.kernel.inodes.values():
            self.watch_marks(inode.i_mapping.i_pages)
            for cell, lock in self.rules_of_file(inode):
                self.guard(cell, lock, inode)
            if not self.kernel.fs.char_device:
                self.watch_file(inode)
        if self.kernel.fs.reflinks:
            self.watch_agf(self.kernel.agf)
        listen(self.kernel.sb, "on_logged", self.logged)
        listen(self.kernel.journal, "on_start", self.started)
        # So that Task.atomic tells who may walk.
        self.kernel.rcu.atomic = True
        self.guard(self.kernel.sb.frozen, self.kernel.sb.s_umount)
        self.guard(self.kernel.pipe.bufs, self.kernel.pipe.mutex)
        self.guard(self.kernel.device_bound, self.kernel.device_lock)
        listen(self.kernel.pgmap.ref, "on_tryget_live", self.tried)
        for mm in self.kernel.mms:
            self.watch_files(mm)
        if not self.kernel.fs.char_device:
            for page in self.kernel.pages[: self.kernel.device_pages]:
                listen(page.mapping, "watch", self.associated)
                listen(page.index, "watch", self.associated)
        if self.kernel.memory.pte_references():
            tables = frozenset(lock for mm in self.kernel.mms for _, lock in tables_of(mm))
            for page in self.kernel.pages:
                listen(page.mapcount, "watch", self.mapping_watcher(page, tables))
        self.watch_section(self.kernel.dax_alive, self.kernel.dax_srcu)
        self.watch_section(self.kernel.pgmap_array, self.kernel.rcu)
        conn = self.kernel.fuse_conn
        if conn is not None:
            for cell in (conn.free_ranges, conn.busy_ranges, conn.nr_free_ranges):
                self.guard(cell, conn.lock)
            for inode in self.kernel.inodes.values():
                listen(inode.fuse.tree, "watch", self.tree_watcher(inode))
            for dmap in conn.dmaps:
                listen(dmap.writable, "watch", self.upgrade_watcher(dmap.writable))
                listen(dmap.refcnt, "watch", self.user_watcher(dmap))

    def rules_of_file(self, inode: Inode) -> Iterator[Rule]:
        """The rules for one file."""
        yield inode.i_mapping.i_mmap, inode.i_mapping.i_mmap_rwsem
        if self.kernel.fs.char_device:
            return
        yield inode.i_size, inode.i_rwsem
        extent_lock = self.kernel.fs.extent_lock(inode)
        if extent_lock is not None:
            for extent in inode.extents:
                yield extent, extent_lock
        if self.kernel.fs.reflinks:
            yield inode.reflink, inode.ilock
        if self.kernel.fuse_conn is not None:
            yield inode.fuse.tree, inode.fuse.sem
            yield inode.fuse.nr, inode.fuse.sem

    def guard(self, cell: Cell[Any], lock: Lock, inode: Inode | None = None) -> None:
        """Ask for a lock at each store, and, if the variable is one of those, at each load.

        inode: the file that the variable belongs to.
        """
        world = self.world

        def stored(old: object, new: object) -> None:
            if lock in world.current.held and lock.held_exclusively():
                return
            if old != new and old is not TABLE and (inode is None or inode.i_count.value):
                self.accessed("stores", cell, lock)

        def loaded() -> None:
            if lock not in world.current.held and (inode is None or inode.i_count.value):
                self.accessed("loads", cell, lock)

        listen(cell, "watch", stored)
        if isinstance(cell, GuardedCell):
            listen(cell, "watch_read", loaded)

    def watch_section(self, cell: GuardedCell[Any], domain: Rcu) -> None:
        """Ask for a section at each load."""
        world = self.world

        def loaded() -> None:
            if not domain.read_by(world.current.index):
                message = f"{world.current.name} loads {cell.name} outside a section of {domain.name}"
                self.fail("unlocked-access", message, channel=domain.name)

        listen(cell, "watch_read", loaded)

    def watch_file(self, inode: Inode) -> None:
        """Ask for what the rules for files say, and for what the page cache needs."""
        world, rules = self.world, self.rules
        i_pages = inode.i_mapping.i_pages
        invalidate_lock = inode.i_mapping.invalidate_lock

        def resized(old: int, new: int) -> None:
            if old != new:
                self.judge(inode.i_size, rules.size_changed(inode, old, new, world.current))
                self.judge(inode.i_size, rules.decided(inode, world.current), "decides by")

        def renamed(old: int, new: int) -> None:
            if old != new:
                self.judge(inode.i_nlink, rules.name_changed(inode, world.current))

        def looked_up(old: bool, new: bool) -> None:
            if old != new:
                self.judge(inode.unhashed, rules.lookup_cached(world.current))

        def cached(index: int, old: Entry | None, new: Entry | None) -> None:
            if invalidate_lock in world.current.held:
                return
            goes = new is None and old is not None and old.real and inode.i_count.value
            if (old is None and new is not None) or (goes and not self.removes_device(world.current)):
                self.judge(i_pages, (invalidate_lock.lock_class,))

        def marked(single: bool) -> None:
            if single and invalidate_lock not in world.current.held:
                self.judge(i_pages, (invalidate_lock.lock_class,), "marks entries of")

        def walked() -> None:
            self.judge(i_pages, ("rcu",), "walks over")

        def truncated() -> None:
            self.judge(i_pages, rules.truncated(inode, world.current), "truncates")
            self.judge(inode.i_size, rules.decided(inode, world.current), "decides by")

        def scanned() -> None:
            self.judge(i_pages, rules.scanned(inode, world.current), "looks for busy pages of")

        def flagged(old: bool, new: bool) -> None:
            if old != new:
                self.judge(inode.reflink, rules.transacted(world.current))

        def cancelled() -> None:
            self.judge(inode.cow_fork, rules.cancelled(inode, world.current), "takes blocks back from")

        listen(inode.i_size, "watch", resized)
        listen(inode.i_nlink, "watch", renamed)
        listen(inode.unhashed, "watch", looked_up)
        listen(i_pages, "watch", cached)
        listen(i_pages, "watch_marks", marked)
        listen(i_pages, "watch_walk", walked)
        listen(inode.i_mapping, "on_truncate", truncated)
        listen(inode.i_mapping, "on_layout_scan", scanned)
        listen(inode.reflink, "watch", flagged)
        for extent in inode.extents:
            listen(extent, "watch", self.extent_watcher(inode, extent))
        if self.kernel.fs.reflinks:
            listen(inode.cow_fork, "on_access", self.cow_watcher(inode))
            listen(inode.cow_fork, "on_cancel", cancelled)

    def removes_device(self, task: Task) -> bool:
        """Whether a task is about to remove the device."""
        return task.operation >= 0 and self.sim.program.tasks[task.name][task.operation].name == "unbind"

    def extent_watcher(self, inode: Inode, cell: Cell[Extent]) -> Callable[[Extent, Extent], None]:
        """Judges each change of an extent."""

        def changed(old: Extent, new: Extent) -> None:
            if old != new:
                self.judge(cell, self.rules.extent_changed(inode, old, new, self.world.current))
                self.judge(inode.i_size, self.rules.decided(inode, self.world.current), "decides by")

        return changed

    def mapping_watcher(self, page: Page, tables: frozenset[Lock]) -> Callable[[int, int], None]:
        """Who counts a mapping has the lock of the page table that has it, or has had it."""

        def counted(old: int, new: int) -> None:
            if old != new and not any(lock in tables for lock in self.world.current.held):
                self.judge(page.mapcount, ("ptl",))

        return counted

    def tree_watcher(self, inode: Inode) -> Callable[[Ranges, Ranges], None]:
        """A range leaves its file with faults locked out, unless the file is going away."""
        lock = inode.i_mapping.invalidate_lock

        def changed(old: Ranges, new: Ranges) -> None:
            if len(new) < len(old) and inode.i_count.value and not lock.written_by(self.world.current):
                self.judge(inode.fuse.tree, (lock.lock_class,), "takes a range from")

        return changed

    def upgrade_watcher(self, cell: Cell[bool]) -> Callable[[bool, bool], None]:
        """What the server was asked for changes under the lock of the file's ranges."""

        def changed(old: bool, new: bool) -> None:
            task = self.world.current
            if old != new and not any(inode.fuse.sem.written_by(task) for inode in self.kernel.inodes.values()):
                self.judge(cell, ("fi.dax.sem",))

        return changed

    def user_watcher(self, dmap: Dmap) -> Callable[[int, int], None]:
        """Nothing but the lock keeps a range with its file before it has a user."""

        def changed(old: int, new: int) -> None:
            inode = dmap.inode.value
            if new > old and inode is not None and inode.fuse.sem not in self.world.current.held:
                self.judge(dmap.refcnt, (inode.fuse.sem.lock_class,), "gets")

        return changed

    def logged(self, number: int) -> None:
        """Who commits changes of an inode still has the lock under which it has made them."""
        inode = self.kernel.inode_by_number(number)
        if not inode.ilock.written_by(self.world.current):
            self.judge(self.kernel.journal, (inode.ilock.lock_class,), "commits to")

    def started(self) -> None:
        """A freeze waits for handles when it has all levels: who waits for a level must not have one by then."""
        self.judge(self.kernel.journal, self.rules.frozen_out(self.world.current), "opens a handle of")

    def cow_watcher(self, inode: Inode) -> Callable[[bool], None]:
        """Judges each use of a CoW fork."""

        def used(change: bool) -> None:
            task = self.world.current
            if (change and not inode.ilock.written_by(task)) or inode.ilock not in task.held:
                self.judge(inode.cow_fork, (inode.ilock.lock_class,), "changes" if change else "looks at")

        return used

    def watch_agf(self, agf: Mutex) -> None:
        """Ask for AGF where the owners of blocks matter, and that it is kept until the transaction commits."""
        allocator = self.kernel.allocator

        def accessed() -> None:
            if agf.owner is not self.world.current:
                self.judge(allocator, (agf.lock_class,), "looks at the owners in")

        def released(lock: Lock, task: Task) -> None:
            if any(index == task.index for index, _ in allocator.uncommitted):
                self.warn(f"{task.name} gives {lock.name} up before it commits what it has freed", lock.lock_class)

        listen(allocator, "on_access", accessed)
        listen(agf, "on_release", released)

    def watch_files(self, mm: Mm) -> None:
        """Ask for file_lock where a descriptor is closed, or all are looked at, if there is another thread."""
        files = mm.files

        def walked() -> None:
            if files.lock.owner is not self.world.current and self.shared(mm):
                self.judge(files, (files.lock.lock_class,), "walks over")

        listen(files, "on_walk", walked)

    def shared(self, mm: Mm) -> bool:
        """Whether another thread than the current one may use an address space, and its descriptors."""
        self.world.look("calls")
        others = [task for task in self.world.tasks if self.kernel.mm_of.get(task.index) is mm]
        others = [task for task in others if task is not self.world.current and task.operation != UNBORN]
        return any(task.point is not None for task in others)

    def tried(self) -> None:
        """The page map that is found in pgmap_array may go as soon as the section ends."""
        if not self.kernel.rcu.read_by(self.world.current.index):
            self.judge(self.kernel.pgmap.ref, ("rcu",), "tries to get")

    def judge(self, what: Shared, lacking: Iterable[str], how: str = "changes") -> None:
        """Report the first lock that somebody has not got."""
        for lock in lacking:
            self.warn(f"{self.world.current.name} {how} {what.name} without {lock}", lock)
            return

    def warn(self, message: str, channel: str) -> None:
        """Report what is wrong in itself, but may have done no harm: what follows may be graver."""
        if (channel, self.world.current.index) not in self.reported:
            self.reported.append((channel, self.world.current.index))
            violation = Violation("unlocked-access", message, channel=channel, tasks=(self.world.current.name,))
            self.world.defer(violation)

    def watch_marks(self, i_pages: XArray) -> None:
        """Ask for xa_lock at each change of marks."""
        world = self.world

        def marked(single: bool) -> None:
            if i_pages.lock.owner is not world.current:
                message = f"{world.current.name} marks entries of {i_pages.name} without xa_lock"
                self.fail("unlocked-access", message, channel="xa_lock")

        listen(i_pages, "watch_marks", marked)

    def accessed(self, how: str, cell: Cell[Any], lock: Lock) -> None:
        """Somebody has not got the lock."""
        message = f"{self.world.current.name} {how} {cell.name} without {lock.name}"
        self.fail("unlocked-access", message, channel=lock.lock_class)

    def associated(self, old: object, new: object) -> None:
        """A page becomes a page of a file, or none: some xa_lock is held."""
        me = self.world.current
        if not any(inode.i_mapping.i_pages.lock in me.held for inode in self.kernel.inodes.values()):
            message = f"{me.name} says which page of a file a page is without xa_lock"
            self.fail("unlocked-access", message, channel="xa_lock")
        lock = self.association_lock
        if lock is not None and lock not in me.held:
            self.warn(f"{me.name} says which page of a file a page is without {lock.name}", lock.lock_class)


def rules_of(mm: Mm) -> Iterator[Rule]:
    """The rules for one address space."""
    yield from tables_of(mm)
    yield mm.vmas, mm.mmap_lock


def tables_of(mm: Mm) -> Iterator[Rule]:
    """Its page-table entries, and their locks."""
    for address, slot in mm.slots.items():
        yield slot, mm.ptl(address)
    for pmd in mm.pmds.values():
        yield pmd, mm.pmd_lock
    for pud in mm.puds.values():
        yield pud, mm.pud_lock
