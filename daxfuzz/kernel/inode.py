"""Inodes and their address spaces (include/linux/fs.h, v6.0)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.kernel.cow_fork import CowFork
from daxfuzz.kernel.xarray import XArray
from daxfuzz.sim import Atomic, Cell, GuardedCell, Mutex, ObservedCell, RwSemaphore, WaitQueueHead

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.fuse_conn import FuseInode
    from daxfuzz.kernel.machine import Machine
    from daxfuzz.kernel.mm import Vma
    from daxfuzz.sim import Interrupts, World


class AddressSpace:
    """What a file has mapped and cached.

    i_mmap: the VMAs that map the file, in the order of their mm.
    exiting: AS_EXITING, set at the end of the inode's life.
    address: &mapping->i_pages, as wait keys use it.
    world: where its locks are.
    on_truncate: called where page cache is truncated.
    on_layout_scan: called where busy pages are looked for.
    """

    __slots__ = (
        "address",
        "exiting",
        "host",
        "i_mmap",
        "i_mmap_rwsem",
        "i_pages",
        "invalidate_lock",
        "on_layout_scan",
        "on_truncate",
        "world",
    )

    def __init__(self, world: World, host: Inode, interrupts: Interrupts, machine: Machine) -> None:
        self.world = world
        self.host = host
        self.address = (host.number + 1) * 1_000_003
        self.i_pages = XArray(world, f"{host.name}.i_pages", interrupts, machine)
        self.invalidate_lock = RwSemaphore(world, f"{host.name}.invalidate_lock", "invalidate_lock")
        self.i_mmap_rwsem = RwSemaphore(world, f"{host.name}.i_mmap_rwsem", "i_mmap_rwsem")
        self.exiting: Cell[bool] = Cell(world, f"{host.name}.exiting", False)
        self.i_mmap: GuardedCell[tuple[Vma, ...]] = GuardedCell(world, f"{host.name}.i_mmap", ())
        self.on_truncate: Callable[[], None] | None = None
        self.on_layout_scan: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"{self.host.name}.mapping"


class Unwritten(NamedTuple):
    """An extent that has a block and reads as zeroes, until a write initializes the block."""

    pfn: int


Extent = int | Unwritten | None
"""What is at a file page: a block with data, an unwritten one, or nothing (a hole)."""


def block_of(extent: Extent) -> int | None:
    """The block of an extent, written or not; None for a hole."""
    return extent.pfn if isinstance(extent, Unwritten) else extent


def mapped_block(extent: Extent) -> int | None:
    """The block that holds an extent's data; None for what reads as zeroes."""
    return None if isinstance(extent, Unwritten) else extent


class Inode:
    """A regular file with one name. It can grow to as many pages as `extents` has (s_maxbytes).

    i_size: in pages.
    i_count: references. Known deviation: struct file and dentry are left out, so that each open descriptor table, each
    VMA and the name hold one here. What would be the put of a struct file is put off to the return to user space.
    i_nlink: 1, or 0 once the name is gone; of fuse, also once the dentry is.
    unhashed: whether nothing is cached of the name once it is gone (d_unhashed); else that it is gone.
    i_sync: I_SYNC, held by whoever writes the inode back without a reference.
    i_lru_isolating: I_LRU_ISOLATING (v6.11 and later), held by whoever reclaims what the inode has cached.
    extents: per file page what is there (ext4: the extent tree, under i_data_sem; xfs: the data fork, under ILOCK;
    fuse: the page of the window that the server maps it in, kept by the server).
    layout_leases, lease_wait: leases of the layout (FL_LAYOUT), and who waits until they are given back.
    ilock, reflink, cow_fork: xfs: the lock of the block map, XFS_DIFLAG2_REFLINK, and the CoW fork.
    remapping: xfs: XFS_IREMAPPING, its blocks are just being shared (v6.7 and later).
    """

    __slots__ = (
        "_fuse",
        "cow_fork",
        "extents",
        "i_count",
        "i_data_sem",
        "i_lru_isolating",
        "i_mapping",
        "i_nlink",
        "i_rwsem",
        "i_size",
        "i_sync",
        "ilock",
        "layout_leases",
        "lease_wait",
        "name",
        "number",
        "reflink",
        "remapping",
        "unhashed",
    )

    def __init__(
        self, world: World, number: int, name: str, pages: int, interrupts: Interrupts, machine: Machine
    ) -> None:
        self.number = number
        self.name = name
        self.i_count = Atomic(world, f"{name}.i_count", 1)
        self.i_nlink: Cell[int] = Cell(world, f"{name}.i_nlink", 1)
        self.unhashed: Cell[bool] = Cell(world, f"{name}.unhashed", False)
        self.i_sync = Mutex(world, f"{name}.i_sync", "i_sync")
        self.i_lru_isolating = Mutex(world, f"{name}.i_lru_isolating", "i_lru_isolating")
        self.i_rwsem = RwSemaphore(world, f"{name}.i_rwsem", "i_rwsem")
        self.i_data_sem = RwSemaphore(world, f"{name}.i_data_sem", "i_data_sem")
        self.i_size: ObservedCell[int] = ObservedCell(world, f"{name}.i_size", pages)
        self.extents: list[GuardedCell[Extent]] = [GuardedCell(world, f"{name}.extent{i}", None) for i in range(pages)]
        self.i_mapping = AddressSpace(world, self, interrupts, machine)
        self.layout_leases = Atomic(world, f"{name}.layout_leases", 0)
        self.lease_wait = WaitQueueHead(world, f"{name}.lease_wait")
        self.ilock = RwSemaphore(world, f"{name}.ilock", "ilock")
        self.reflink: Cell[bool] = Cell(world, f"{name}.reflink", False)
        self.remapping: Cell[bool] = Cell(world, f"{name}.remapping", False)
        self.cow_fork = CowFork(world, f"{name}.cow_fork")
        self._fuse: FuseInode | None = None

    @property
    def address(self) -> int:
        """The inode's place in memory, as locking orders and waits use it.

        In the opposite order of the numbers, and below all page structs, which begin at 0.
        """
        return -1 - self.number

    @property
    def fuse(self) -> FuseInode:
        """get_fuse_inode; only the inodes of fuse are one."""
        assert self._fuse is not None, "an inode of fuse"
        return self._fuse

    @fuse.setter
    def fuse(self, fuse: FuseInode) -> None:
        self._fuse = fuse

    def __repr__(self) -> str:
        return self.name
