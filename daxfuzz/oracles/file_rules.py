"""Which locks protect what a file is: its size, its name, its extents, and its page cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from daxfuzz.kernel.inode import block_of
from daxfuzz.oracles.entry_owners import EntryOwners
from daxfuzz.oracles.size_looks import SizeLooks
from daxfuzz.sim import Observer

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Extent, Inode
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Lock, RwSemaphore, Task


class FileRules(Observer):
    """What who changes a file holds beside the lock of the variable itself, as the names of locks that it lacks.

    Of a file whose last reference is gone, only what keeps the file system from being frozen under it, and the
    transaction, are asked for. What the server of virtio-fs has is not judged.
    """

    def __init__(self, sim: Simulation) -> None:
        kernel = self.kernel = sim.kernel
        self.looks = SizeLooks.of(sim)
        self.entry_owners = EntryOwners.of(sim)
        self.local = kernel.fuse_conn is None
        sb = kernel.sb
        self.writers = sb.writers
        self.levels: tuple[Lock, ...] = (sb.writers, sb.pagefault, sb.intwrite) if kernel.fs.freezes else ()
        self.transaction = kernel.fs.transaction()

    def frozen_out(self, task: Task) -> Iterator[str]:
        """sb_start_write, sb_start_pagefault or sb_start_intwrite: a freeze waits for who is in one of them."""
        if self.levels and not any(level in task.held for level in self.levels):
            yield "sb_writers"

    def write_access(self, inode: Inode, task: Task) -> Iterator[str]:
        """Who changes a file with its i_rwsem held is in a system call, which has begun with mnt_want_write."""
        yield from self.frozen_out(task)
        if self.levels and inode.i_rwsem.written_by(task) and self.writers not in task.held:
            yield "sb_writers"

    def transacted(self, task: Task) -> Iterator[str]:
        """A handle of ext4, a transaction of xfs."""
        if self.transaction is not None and self.transaction not in task.held:
            yield self.transaction.lock_class

    def name_changed(self, inode: Inode, task: Task) -> Iterator[str]:
        """unlink(2) holds i_rwsem of the directory and of the file (Documentation/filesystems/directory-locking).

        An inode of fuse also goes with its dentry, which is not under these.
        """
        if not self.local:
            return
        yield from self.write_access(inode, task)
        yield from self.transacted(task)
        yield from missing(self.kernel.directory, task)
        yield from missing(inode.i_rwsem, task)

    def lookup_cached(self, task: Task) -> Iterator[str]:
        """What is known of a name enters or leaves the cache with i_rwsem of the directory held, shared for a lookup
        (Documentation/filesystems/locking, ->lookup; directory-locking)."""
        if self.kernel.directory not in task.held:
            yield self.kernel.directory.lock_class

    def size_changed(self, inode: Inode, old: int, new: int, task: Task) -> Iterator[str]:
        """A file becomes shorter with faults locked out (truncate_setsize). i_rwsem has a rule of its own."""
        yield from self.write_access(inode, task)
        if self.kernel.fs.logs_size:
            yield from self.transacted(task)
        if new < old and inode.i_count.value:
            yield from missing(inode.i_mapping.invalidate_lock, task)

    def truncated(self, inode: Inode, task: Task) -> Iterator[str]:
        """truncate_inode_pages_range is serialised by i_rwsem and invalidate_lock (mm/truncate.c, v6.0)."""
        if inode.i_count.value:
            yield from missing(inode.i_rwsem, task)
            yield from missing(inode.i_mapping.invalidate_lock, task)

    def scanned(self, inode: Inode, task: Task) -> Iterator[str]:
        """Who looks for busy pages has faults locked out, as ext4_break_layouts, xfs_break_dax_layouts and the callers
        of fuse_dax_break_layouts do (v6.0 and v6.19): what is idle would be mapped and pinned again."""
        if inode.i_count.value:
            yield from missing(inode.i_mapping.invalidate_lock, task)

    def cancelled(self, inode: Inode, task: Task) -> Iterator[str]:
        """Who gives blocks of a CoW fork back has faults locked out, or is a fault that has locked the entry: another
        one may have mapped them already (all callers of xfs_reflink_cancel_cow_range but write(2), v6.0 and v6.19)."""
        if inode.i_count.value and not self.faults(inode, task):
            yield from missing(inode.i_mapping.invalidate_lock, task)

    def faults(self, inode: Inode, task: Task) -> bool:
        """Whether a task is in a fault on a file, and has locked an entry."""
        if inode.i_mapping.invalidate_lock not in task.held:
            return False
        owners = self.entry_owners.owners
        return any(owner == task.index and number == inode.number for (number, _), owner in owners.items())

    def decided(self, inode: Inode, task: Task) -> Iterator[str]:
        """Who locks a file to change it has looked at its size with the lock held, if at all (do_truncate,
        fallocate, write and remap_file_range of all file systems, v6.0 and v6.19)."""
        if inode.i_count.value and inode.i_rwsem.written_by(task) and self.looks.early(inode, task):
            yield inode.i_rwsem.lock_class

    def extent_changed(self, inode: Inode, old: Extent, new: Extent, task: Task) -> Iterator[str]:
        """What a file has at a page goes with writes and faults locked out, and comes with either locked out.

        That a write fault copies a shared block changes the extent, too, with faults going on.
        """
        if not self.local:
            return
        yield from self.write_access(inode, task)
        yield from self.transacted(task)
        if not inode.i_count.value:
            return
        invalidate_lock = inode.i_mapping.invalidate_lock
        if old is not None and (new is None or (block_of(new) == block_of(old) and isinstance(old, int))):
            yield from missing(inode.i_rwsem, task)
            yield from missing(invalidate_lock, task)
        elif not inode.i_rwsem.written_by(task) and invalidate_lock not in task.held:
            yield invalidate_lock.lock_class


def missing(lock: RwSemaphore, task: Task) -> Iterator[str]:
    """The class of a lock that the task does not hold exclusively."""
    if not lock.written_by(task):
        yield lock.lock_class
