"""What virtio-fs DAX keeps: the ranges of the window, and what the server maps in them (fs/fuse/dax.c, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.sim import Atomic, Cell, GuardedCell, Mutex, RwSemaphore, SpinLock, WaitQueueHead

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.machine import Machine
    from daxfuzz.sim import World


class Dmap:
    """struct fuse_dax_mapping: one range of the window. It is of no file, or maps a slice of one.

    number: its place in the window (window_offset, in ranges).
    inode: the file, no reference is held on it; None while the range is of no file.
    start: which slice of the file (itn.start, in ranges).
    writable: whether the server was asked to map it for writing, too.
    refcnt: 1, and 1 more for each iomap that is in use.
    """

    __slots__ = ("inode", "number", "refcnt", "start", "writable")

    def __init__(self, world: World, number: int) -> None:
        name = f"dmap{number}"
        self.number = number
        self.inode: Cell[Inode | None] = Cell(world, f"{name}.inode", None)
        self.start: Cell[int] = Cell(world, f"{name}.start", 0)
        self.writable: Cell[bool] = Cell(world, f"{name}.writable", False)
        self.refcnt = Atomic(world, f"{name}.refcnt", 1)

    def __repr__(self) -> str:
        return f"dmap{self.number}"


class View(NamedTuple):
    """What the server maps in a range of the window: a slice of a file (by inode number), for writing or not."""

    inode: int
    start: int
    writable: bool


class FuseConnDax:
    """struct fuse_conn_dax.

    dmaps: every range, by its number.
    range_pages: FUSE_DAX_PAGES.
    lock: guards the lists.
    free_work: whether the worker is queued.
    free_worker: held while it runs; a work item runs on one processor at a time.
    server: in no kernel, held while the server answers a request.
    window: the server's side, what it maps in each range.
    """

    __slots__ = (
        "busy_ranges",
        "dmaps",
        "free_ranges",
        "free_work",
        "free_worker",
        "lock",
        "nr_free_ranges",
        "nr_ranges",
        "range_pages",
        "range_waitq",
        "server",
        "window",
    )

    def __init__(self, world: World, machine: Machine) -> None:
        self.nr_ranges = machine.window_ranges
        self.range_pages = machine.pmd_pages
        self.lock = SpinLock(world, "fcd.lock", "fcd.lock")
        self.dmaps = [Dmap(world, number) for number in range(self.nr_ranges)]
        self.free_ranges: GuardedCell[tuple[Dmap, ...]] = GuardedCell(world, "fcd.free_ranges", tuple(self.dmaps))
        self.busy_ranges: GuardedCell[tuple[Dmap, ...]] = GuardedCell(world, "fcd.busy_ranges", ())
        self.nr_free_ranges: Cell[int] = Cell(world, "fcd.nr_free_ranges", self.nr_ranges)
        self.range_waitq = WaitQueueHead(world, "fcd.range_waitq")
        self.free_work: Cell[bool] = Cell(world, "fcd.free_work", False)
        self.free_worker = Mutex(world, "fcd.free_worker", "fcd.free_worker")
        self.server = Mutex(world, "virtiofsd", "virtiofsd")
        self.window: list[Cell[View | None]] = [Cell(world, f"window{i}", None) for i in range(self.nr_ranges)]

    def threshold(self) -> int:
        """FUSE_DAX_RECLAIM_THRESHOLD: with fewer free ranges than this the worker is queued."""
        return max(self.nr_ranges * 20 // 100, 1)

    def pfns(self, number: int) -> range:
        """The pages of a range."""
        return range(number * self.range_pages, (number + 1) * self.range_pages)


class FuseInode:
    """struct fuse_inode, and the file on the host.

    sem: guards the tree.
    tree: the ranges of the file by slice, sorted (interval tree).
    nr: number of ranges in the tree.
    host_size: size of the host's file, in pages.
    host_pages: its data, by page; the pages that are mapped in the window have theirs in the window's blocks.
    """

    __slots__ = ("host_pages", "host_size", "nr", "sem", "tree")

    def __init__(self, world: World, name: str, pages: int) -> None:
        self.sem = RwSemaphore(world, f"{name}.dax_sem", "fi.dax.sem")
        self.tree: GuardedCell[tuple[tuple[int, Dmap], ...]] = GuardedCell(world, f"{name}.dax_tree", ())
        self.nr: Cell[int] = Cell(world, f"{name}.dax_nr", 0)
        self.host_size: Cell[int] = Cell(world, f"{name}.host_size", pages)
        self.host_pages: list[Cell[int]] = [Cell(world, f"{name}.host{i}", 0) for i in range(pages)]
