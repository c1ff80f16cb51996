"""One kernel under test on one machine: the subsystems, and the objects they work on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NoReturn

from daxfuzz.kernel.block import Block, BlockAllocator
from daxfuzz.kernel.cow import Cow
from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.dax_io import DaxIo
from daxfuzz.kernel.dax_lock import DaxLock
from daxfuzz.kernel.dax_writeback import DaxWriteback
from daxfuzz.kernel.direct_io import DirectIo, RequestQueue
from daxfuzz.kernel.fork import Fork
from daxfuzz.kernel.fs.device_dax import DeviceDax
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.fuse import Fuse
from daxfuzz.kernel.fs.fuse_dax import FuseDax
from daxfuzz.kernel.fs.virtiofsd import Virtiofsd
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.fs.xfs_inodegc import InodeGc
from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.huge_memory import HugeMemory
from daxfuzz.kernel.inode import Inode, mapped_block
from daxfuzz.kernel.journal import Journal
from daxfuzz.kernel.machine import Align, Machine
from daxfuzz.kernel.madvise import Madvise
from daxfuzz.kernel.memory import Memory
from daxfuzz.kernel.memory_failure import MemoryFailure
from daxfuzz.kernel.memremap import DevPagemap, MemHotplug, MemoryType, Memremap
from daxfuzz.kernel.mm import VMA_PAGES, Mm, Pte, Vma, VmFlag
from daxfuzz.kernel.mmap import Mmap
from daxfuzz.kernel.mremap import Mremap
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.page_alloc import FreeList, PageAlloc
from daxfuzz.kernel.splice import Pipe, Splice
from daxfuzz.kernel.super import SuperBlock
from daxfuzz.kernel.tlb import Tlb, TlbFlush
from daxfuzz.kernel.truncate import Truncate
from daxfuzz.kernel.vfs import Vfs
from daxfuzz.kernel.vmscan import Vmscan
from daxfuzz.sim import (
    Cell,
    Completion,
    GuardedCell,
    Interrupts,
    Mutex,
    PercpuRef,
    Rcu,
    RwSemaphore,
    Signals,
    SpinLock,
    Violation,
    WaitTable,
)

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.filesystem import Filesystem
    from daxfuzz.kernel.fs.fuse_conn import FuseConnDax
    from daxfuzz.kernel.inode import AddressSpace
    from daxfuzz.kernel.subsystem import Subsystem
    from daxfuzz.sim import Task, World

SUBSYSTEMS: dict[str, type[Subsystem]] = {
    "cow": Cow,
    "dax": Dax,
    "dax_device": DaxDevice,
    "dax_fault": DaxFault,
    "dax_io": DaxIo,
    "dax_lock": DaxLock,
    "dax_writeback": DaxWriteback,
    "device_dax": DeviceDax,
    "direct_io": DirectIo,
    "ext4": Ext4,
    "fork": Fork,
    "fuse": Fuse,
    "fuse_dax": FuseDax,
    "gup": Gup,
    "huge_memory": HugeMemory,
    "madvise": Madvise,
    "memory": Memory,
    "memory_failure": MemoryFailure,
    "memremap": Memremap,
    "mmap": Mmap,
    "mremap": Mremap,
    "page_alloc": PageAlloc,
    "splice": Splice,
    "tlb": TlbFlush,
    "truncate": Truncate,
    "vfs": Vfs,
    "virtiofsd": Virtiofsd,
    "vmscan": Vmscan,
    "xfs": Xfs,
}
"""The functions of the base, v6.0, by the name of their subsystem."""

FILESYSTEMS = {"device-dax": "device_dax", "ext4": "ext4", "fuse": "fuse", "xfs": "xfs"}
"""What the device can be used through, with its subsystem."""

FILESYSTEM_OF = {
    "device_dax": "device-dax",
    "ext4": "ext4",
    "fuse": "fuse",
    "fuse_dax": "fuse",
    "virtiofsd": "fuse",
    "xfs": "xfs",
}
"""Subsystems that run with one of FILESYSTEMS only."""

PIPE_BUFFERS = 2
"""Pages that the pipe holds at most (16 in the kernel)."""


class Kernel:
    """A composed kernel and its state.

    subsystems: for each name in SUBSYSTEMS the class to use.
    files: size in pages by name; their inodes are numbered in this order.
    tlbs: the translations of each task's processor, by the task's index.
    task_works: per task the files that it puts when it returns to user space.
    reclaimers: tasks that reclaim memory (PF_MEMALLOC); each looks only at whether itself does.
    regions: places for the mapping of each file in each mm; a second one is for mremap.
    ram_pages: pages of memory for anonymous pages, after the pages of the device; 0 if nobody maps privately.
    device_pages: number of pages of the device; they are the first of `pages` and `blocks`.
    align: what a character device is aligned to, which rounds up its files; 1 for file systems.
    agf: the lock of the header of the only allocation group of xfs.
    inodegc: files without a name that xfs still has to free the blocks of.
    dax_share_lock: in no kernel, but in a repair: protects what pages that files share say about them.
    on_warn: called with (message, page or None) when a WARN_ON_ONCE of the modelled code fires.
    on_failure: called with a pfn where the failure of its page begins to be dealt with.
    on_kill: called with (file, file page, tasks) where these are to be told of a page that has failed, or goes.
    """

    # More attributes than an instance dictionary keeps in place, and every step goes through here.
    __slots__ = (
        "agf",
        "align",
        "allocator",
        "blocks",
        "cow",
        "dax",
        "dax_alive",
        "dax_device",
        "dax_fault",
        "dax_holder",
        "dax_io",
        "dax_lock",
        "dax_share_lock",
        "dax_srcu",
        "dax_waitqueues",
        "dax_writeback",
        "device_bound",
        "device_dax",
        "device_lock",
        "device_pages",
        "direct_io",
        "directory",
        "ext4",
        "fork",
        "free_list",
        "fs",
        "fuse",
        "fuse_conn",
        "fuse_dax",
        "gup",
        "huge_memory",
        "inodegc",
        "inodes",
        "interrupts",
        "journal",
        "machine",
        "madvise",
        "mem_hotplug",
        "memory",
        "memory_failure",
        "memremap",
        "mf_mutex",
        "mm_of",
        "mmap",
        "mms",
        "mremap",
        "on_failure",
        "on_kill",
        "on_warn",
        "page_alloc",
        "pages",
        "pgmap",
        "pgmap_array",
        "pipe",
        "q_drained",
        "q_usage",
        "rcu",
        "reclaimers",
        "regions",
        "request_queue",
        "sb",
        "signals",
        "splice",
        "task_works",
        "tlb",
        "tlbs",
        "truncate",
        "var_waitqueues",
        "vfs",
        "virtiofsd",
        "vmscan",
        "world",
        "xfs",
        "zero_folio",
        "zero_page",
    )

    cow: Cow
    dax: Dax
    dax_device: DaxDevice
    dax_fault: DaxFault
    dax_io: DaxIo
    dax_lock: DaxLock
    dax_writeback: DaxWriteback
    direct_io: DirectIo
    fork: Fork
    fuse_dax: FuseDax
    gup: Gup
    huge_memory: HugeMemory
    madvise: Madvise
    memory: Memory
    memory_failure: MemoryFailure
    memremap: Memremap
    mmap: Mmap
    mremap: Mremap
    page_alloc: PageAlloc
    splice: Splice
    tlb: TlbFlush
    truncate: Truncate
    vfs: Vfs
    virtiofsd: Virtiofsd
    vmscan: Vmscan

    def __init__(
        self,
        world: World,
        machine: Machine,
        subsystems: Mapping[str, type[Subsystem]],
        filesystem: str,
        files: Mapping[str, int],
        ram_pages: int = 0,
        regions: int = 1,
        align: Align = Align.PAGE,
    ) -> None:
        self.world = world
        self.machine = machine
        for name, cls in subsystems.items():
            setattr(self, name, cls(self))
        self.fs: Filesystem = getattr(self, FILESYSTEMS[filesystem])
        self.on_warn: Callable[[str, Page | None], None] | None = None
        self.on_failure: Callable[[int], None] | None = None
        self.on_kill: Callable[[AddressSpace, int, list[Task]], None] | None = None

        self.interrupts = Interrupts(world)
        self.rcu = Rcu(world, "rcu")
        self.dax_srcu = Rcu(world, "dax_srcu")
        self.dax_share_lock = SpinLock(world, "dax_share_lock")
        self.dax_alive: GuardedCell[bool] = GuardedCell(world, "dax_device.alive", True)
        self.dax_holder: Cell[bool] = Cell(world, "dax_device.holder", self.fs.holds_device)
        self.device_lock = Mutex(world, "device_lock")
        self.device_bound: Cell[bool] = Cell(world, "device.driver", True)
        self.q_drained = Completion(world, "q_usage.drained")
        self.q_usage = PercpuRef(world, "q_usage", self.q_drained.complete)
        self.mem_hotplug = MemHotplug(world)
        self.mf_mutex = Mutex(world, "mf_mutex")
        self.dax_waitqueues = WaitTable(world, "dax_waitqueue", machine.wait_buckets)
        self.var_waitqueues = WaitTable(world, "var_waitqueue", machine.wait_buckets)

        self.align = align.pages(machine) if self.fs.char_device else 1
        files = {name: -(-pages // self.align) * self.align for name, pages in files.items()}
        blocks: int = self.fs.device_pages(files)
        self.device_pages = blocks
        kind = MemoryType.GENERIC if self.fs.char_device else MemoryType.FS_DAX
        born = self.memremap.born_references(blocks // self.align)
        self.pgmap = DevPagemap(world, "pgmap", kind, born, self.align)
        self.pgmap_array: GuardedCell[DevPagemap | None] = GuardedCell(world, "pgmap_array", self.pgmap)
        self.pages = [Page(world, pfn, self.pgmap, self.dax.idle_refcount()) for pfn in range(blocks)]
        for head in self.pages[:: self.align] if self.align > 1 else ():
            self.memremap.memmap_init_compound(head, self.align)
        self.regions = regions
        memory = DevPagemap(world, "memory", MemoryType.NONE, 0)
        self.zero_folio = Page(world, -1, memory, 1)
        if ram_pages:
            self.pages += [Page(world, blocks + i, memory, 0, ram=True) for i in range(ram_pages)]
        self.free_list = FreeList(world, blocks, ram_pages)
        self.blocks = [Block(world, pfn) for pfn in range(blocks + ram_pages)]
        self.pipe = Pipe(world, PIPE_BUFFERS)
        self.request_queue = RequestQueue(world)
        self.zero_page = Block(world, -1)
        self.signals = Signals(world)
        self.allocator = BlockAllocator(world, blocks)
        self.inodes = {
            name: Inode(world, number, name, pages, self.interrupts, machine)
            for number, (name, pages) in enumerate(files.items())
        }
        self.directory = RwSemaphore(world, "directory.i_rwsem", "i_rwsem/parent")
        self.sb = SuperBlock(world)
        self.agf = Mutex(world, "agf", "agf")
        self.inodegc = InodeGc(world)
        self.journal = Journal(world, len(files), self.sb, self.allocator)
        self.task_works: dict[int, list[Inode]] = {}
        world.on_reset.append(self.task_works.clear)
        self.reclaimers: list[int] = []
        world.on_reset.append(self.reclaimers.clear)
        self.fuse_conn: FuseConnDax | None = None
        self.fs.make()
        self.mms: list[Mm] = []
        self.mm_of: dict[int, Mm] = {}
        self.tlbs: dict[int, Tlb] = {}

    def pfn_to_page(self, pfn: int) -> Page:
        """The page of a number; -1 is the zero page."""
        return self.zero_folio if pfn < 0 else self.pages[pfn]

    def is_ram(self, pte: Pte | None) -> bool:
        """Whether an entry maps an anonymous page."""
        return pte is not None and pte.pfn >= self.device_pages

    def file_page(self, address: int) -> tuple[int, int]:
        """The inode number and the file page that an address is for."""
        return address // VMA_PAGES % len(self.inodes), address % VMA_PAGES

    def addresses(self, inode: int, page: int) -> range:
        """The addresses that are for a file page."""
        step = len(self.inodes) * VMA_PAGES
        return range(inode * VMA_PAGES + page, step * self.regions, step)

    def add_mm(self, name: str, tasks: list[Task], born: bool = True) -> Mm:
        """An address space, shared by the given tasks. born: it exists from the start; else fork fills it."""
        files = [len(inode.extents) for inode in self.inodes.values()]
        puds = self.align == self.machine.pud_pages
        private = bool(self.free_list.used)
        mm = Mm(self.world, len(self.mms), name, files, self.machine, private, born, self.regions, puds)
        mm.mm_users.value = len(tasks)
        self.mms.append(mm)
        for task in tasks:
            mm.tasks.append(task)
            mm.cpumask.append(task.index)
            tlb = self.tlbs[task.index] = Tlb(self.world, task, self.machine)
            mm.tlbs.append(tlb)
            self.mm_of[task.index] = mm
        return mm

    def map_file(self, mm: Mm, inode: Inode) -> None:
        """Map a file as mmap does, before the world is sealed."""
        flags = VmFlag.SHARED | self.fs.vm_flags
        vma = Vma(mm, inode.i_mapping, inode.number * VMA_PAGES, len(inode.extents), flags)
        mm.vmas.value += (vma,)
        inode.i_mapping.i_mmap.value += (vma,)
        inode.i_count.value += 1

    def open_file(self, mm: Mm, inode: Inode) -> None:
        """Open a file in a process, before the world is sealed."""
        mm.files.open += (inode.number,)
        inode.i_count.value += 1

    def clone(self, source: Inode, dest: Inode) -> None:
        """Let the pages of two files, as far as both reach, share blocks, before the world is sealed."""
        for index, (extent, copy) in enumerate(zip(source.extents, dest.extents, strict=False)):
            pfn = mapped_block(extent.value)
            if pfn is None:
                pfn = self.allocator.table.index(())
                self.allocator.table[pfn] = ((source.number, index),)
            extent.value = copy.value = pfn
            self.allocator.table[pfn] += ((dest.number, index),)
        source.reflink.value = dest.reflink.value = True

    def inode_by_number(self, number: int) -> Inode:
        """The inode of a number."""
        return list(self.inodes.values())[number]

    def tlb_of(self, task: Task) -> Tlb:
        """The translations of the processor that runs a task."""
        return self.tlbs[task.index]

    def warn(self, message: str, page: Page | None) -> None:
        """WARN_ON_ONCE: the kernel prints and goes on."""
        if self.on_warn is not None:
            self.on_warn(message, page)

    def bug(self, message: str) -> NoReturn:
        """BUG_ON: the task dies on the spot, with whatever it holds."""
        raise Violation("kernel-warning", f"kernel BUG: {message}")
