"""Accesses without the lock that protects what is accessed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from daxfuzz.kernel.mm import TABLE
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import GuardedCell

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.kernel.xarray import XArray
    from daxfuzz.sim import Cell, Lock, Rcu

Rule = tuple["Cell[Any]", "Lock"]
"""A variable, and the lock that whoever stores there holds exclusively."""


class UnlockedAccess(Oracle):
    """What lockdep_assert_held would say at a load or a store.

    Stored under a lock: page-table entries (under that of their table), the VMAs of a process (mmap_lock) and of a
    file (i_mmap_rwsem), the size of a file (i_rwsem), its extents (the lock of the block map), the lists of ranges of
    virtio-fs (theirs), the marks of entries (xa_lock), and in a page, which file page it is (the xa_lock of a file).
    Lists and extents are also looked at under their locks only, dax_alive in sections of dax_srcu, and pgmap_array in
    those of RCU.

    Nobody else can have a file whose last reference is gone; nor a page table that munmap frees, since no VMA leads
    there any more.
    """

    kinds = ("unlocked-access",)

    def attach(self) -> None:
        for mm in self.kernel.mms:
            for cell, lock in rules_of(mm):
                self.guard(cell, lock)
        for inode in self.kernel.inodes.values():
            self.watch_marks(inode.i_mapping.i_pages)
            for cell, lock in self.rules_of_file(inode):
                self.guard(cell, lock, inode)
        if not self.kernel.fs.char_device:
            for page in self.kernel.pages[: self.kernel.device_pages]:
                listen(page.mapping, "watch", self.associated)
                listen(page.index, "watch", self.associated)
        self.watch_section(self.kernel.dax_alive, self.kernel.dax_srcu)
        self.watch_section(self.kernel.pgmap_array, self.kernel.rcu)
        conn = self.kernel.fuse_conn
        if conn is not None:
            for cell in (conn.free_ranges, conn.busy_ranges, conn.nr_free_ranges):
                self.guard(cell, conn.lock)

    def rules_of_file(self, inode: Inode) -> Iterator[Rule]:
        """The rules for one file."""
        yield inode.i_mapping.i_mmap, inode.i_mapping.i_mmap_rwsem
        if self.kernel.fs.char_device:
            return
        yield inode.i_size, inode.i_rwsem
        block_map = {"ext4": inode.i_data_sem, "xfs": inode.ilock}.get(self.kernel.fs.name)
        if block_map is not None:
            for extent in inode.extents:
                yield extent, block_map
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
            if world.current.index not in domain.readers:
                message = f"{world.current.name} loads {cell.name} outside a section of {domain.name}"
                self.fail("unlocked-access", message, channel=domain.name)

        listen(cell, "watch_read", loaded)

    def watch_marks(self, i_pages: XArray) -> None:
        """Ask for xa_lock at each change of marks."""
        world = self.world

        def marked() -> None:
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


def rules_of(mm: Mm) -> Iterator[Rule]:
    """The rules for one address space."""
    for address, slot in mm.slots.items():
        yield slot, mm.ptl(address)
    for pmd in mm.pmds.values():
        yield pmd, mm.pmd_lock
    for pud in mm.puds.values():
        yield pud, mm.pud_lock
    yield mm.vmas, mm.mmap_lock
