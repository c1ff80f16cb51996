"""Address spaces of processes: page tables, VMAs, and what else a mm has (include/linux/mm_types.h, v6.0)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final, NamedTuple

from daxfuzz.kernel.fdtable import FdTable
from daxfuzz.sim import Atomic, Cell, GuardedCell, ObservedCell, RwSemaphore, SpinLock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daxfuzz.kernel.inode import AddressSpace
    from daxfuzz.kernel.machine import Machine
    from daxfuzz.kernel.tlb import Tlb
    from daxfuzz.sim import Task, World

VMA_PAGES = 8
"""Distance, in pages, between the places where a mm maps two files; a multiple of what a PUD entry maps. Where mremap
moves mappings, the places that they move to follow, in the same order."""


class Pte(NamedTuple):
    """A present page-table entry, of a page or, in a PMD or PUD, of as many as that maps.

    pfn: the first page.
    zero: maps the zero page (pte_special, no devmap) instead of blocks.
    invalid: the present bit is cleared while the rest stays (pmd_mkinvalid; PMDs only): no processor walks through it,
    and software still takes it for what it was.
    """

    pfn: int
    write: bool = False
    dirty: bool = False
    zero: bool = False
    invalid: bool = False

    def sub(self, offset: int) -> Pte:
        """What it is for the page at an offset into what it maps."""
        return self if self.zero or not offset else self._replace(pfn=self.pfn + offset)

    def __repr__(self) -> str:
        what = "zero page" if self.zero else f"pfn {self.pfn}"
        return what + ("|W" if self.write else "") + ("|D" if self.dirty else "") + ("|INVALID" if self.invalid else "")


class PageTable:
    """What a PMD or PUD entry holds that points to a lower table."""

    def __repr__(self) -> str:
        return "table"


TABLE: Final = PageTable()

Pmd = Pte | PageTable | None
"""A PMD or PUD entry: a leaf, a table below, or nothing."""


class VmFlag:
    """vm_flags, as plain ints."""

    SHARED = 1
    MIXEDMAP = 2
    SYNC = 4
    """MAP_SYNC"""


class Vma:
    """A mapping of a whole file. Immutable: mapping again makes a new one.

    start: its first address, in pages.
    flags: of VmFlag; without SHARED it is private (copy on write).
    """

    __slots__ = ("flags", "mapping", "mm", "pages", "start")

    def __init__(self, mm: Mm, mapping: AddressSpace, start: int, pages: int, flags: int = VmFlag.SHARED) -> None:
        self.mm = mm
        self.mapping = mapping
        self.start = start
        self.pages = pages
        self.flags = flags

    @property
    def end(self) -> int:
        """vm_end, in pages."""
        return self.start + self.pages

    def addresses(self, first: int, last: int) -> range:
        """Addresses that map the file pages from `first` to `last`, both included, as far as they are mapped."""
        end = last + 1 if last < self.pages else self.pages
        return range(self.start + first, self.start + end)

    def state(self) -> Hashable:
        """All that can be told of it, for whoever compares states: each execution makes its own."""
        return self.mm, self.mapping, self.start, self.pages, self.flags

    def __repr__(self) -> str:
        return f"{self.mm.name}:{self.mapping.host.name}"


class Mm:
    """One address space, run by one or more tasks.

    pmds: PMD entries, by address // pmd_pages; they exist for every address that can be mapped.
    slots: page-table entries below them, by address (in pages). A table that is not there (its PMD holds no TABLE) has
    no entries.
    pmd_lock: of the PMD entries; one, since one page holds them all.
    puds: PUD entries, by address // pud_pages, only where a character device maps with them. There is no table below
    one, so it is a leaf or nothing. Known deviation: elsewhere the tables of PMDs are there always.
    pud_lock: of the PUD entries, if there are any.
    ptls: the locks of page tables, by address // pmd_pages.
    files: what its tasks have open; a process and its threads share that as they share the mm.
    tlb_flush_pending: number of mmu_gathers at work.
    write_protect_seq: odd while fork write-protects private pages.
    has_pinned: MMF_HAS_PINNED, somebody has pinned a page in this mm. Like `anon_vma` it is there only if the program
    has private mappings.
    anon_vma: by inode number, whether the mapping of the file has had anonymous pages (vma->anon_vma).
    mm_users: tasks that have not exited.
    born: the mm has been there from the start; else fork fills it.
    tlbs: one per task, since each task has a processor of its own.
    on_flush: called with addresses when every processor that runs the mm has dropped their translations.
    cpumask: indices of the tasks, as the numbers of these processors (mm_cpumask).
    """

    __slots__ = (
        "anon_vma",
        "born",
        "cpumask",
        "files",
        "has_pinned",
        "index",
        "mm_users",
        "mmap_lock",
        "name",
        "on_flush",
        "pmd_lock",
        "pmd_pages",
        "pmds",
        "ptls",
        "pud_lock",
        "pud_pages",
        "puds",
        "slots",
        "tasks",
        "tlb_flush_pending",
        "tlbs",
        "vmas",
        "world",
        "write_protect_seq",
    )

    has_pinned: Cell[bool]
    pud_lock: SpinLock

    def __init__(
        self,
        world: World,
        index: int,
        name: str,
        files: list[int],
        machine: Machine,
        private: bool = False,
        born: bool = True,
        regions: int = 1,
        puds: bool = False,
    ) -> None:
        self.world = world
        self.index = index
        self.born = born
        self.name = name
        self.pmd_pages = machine.pmd_pages
        self.pud_pages = machine.pud_pages
        self.files = FdTable(world, f"{name}.files")
        self.mmap_lock = RwSemaphore(world, f"{name}.mmap_lock", "mmap_lock")
        self.vmas: GuardedCell[tuple[Vma, ...]] = GuardedCell(world, f"{name}.vmas", ())
        self.write_protect_seq = Atomic(world, f"{name}.write_protect_seq", 0)
        self.tlb_flush_pending = Atomic(world, f"{name}.tlb_flush_pending", 0)
        self.mm_users = Atomic(world, f"{name}.mm_users", 0)
        self.anon_vma: list[Cell[bool]] = []
        if private:
            self.anon_vma = [Cell(world, f"{name}.anon_vma{number}", False) for number in range(len(files))]
            self.has_pinned = Cell(world, f"{name}.has_pinned", False)
        self.pmd_lock = SpinLock(world, f"{name}.pmd_lock", "pmd_lock")
        self.pmds: dict[int, ObservedCell[Pmd]] = {}
        self.slots: dict[int, ObservedCell[Pte | None]] = {}
        self.ptls: dict[int, SpinLock] = {}
        for number, pages in enumerate(files * regions):
            for i in range(pages):
                address = number * VMA_PAGES + i
                self.slots[address] = ObservedCell(world, f"{name}.pte{number}.{i}", None)
                if i % self.pmd_pages == 0:
                    self.pmds[address // self.pmd_pages] = ObservedCell(world, f"{name}.pmd{number}.{i}", None)
                    self.ptls[address // self.pmd_pages] = SpinLock(world, f"{name}.ptl{number}.{i}", "ptl")
        self.puds: dict[int, ObservedCell[Pte | None]] = {}
        if puds:
            self.pud_lock = SpinLock(world, f"{name}.pud_lock", "pud_lock")
            for address in self.slots:
                if address % self.pud_pages == 0:
                    number, i = divmod(address, VMA_PAGES)
                    self.puds[address // self.pud_pages] = ObservedCell(world, f"{name}.pud{number}.{i}", None)
        self.tasks: list[Task] = []
        self.tlbs: list[Tlb] = []
        self.on_flush: Callable[[Sequence[int]], None] | None = None
        self.cpumask: list[int] = []

    def pud(self, address: int) -> ObservedCell[Pte | None]:
        """pud_offset"""
        return self.puds[address // self.pud_pages]

    def pud_addr_end(self, address: int, end: int) -> int:
        """The first address that another PUD entry maps, `end` at most."""
        return min(address - address % self.pud_pages + self.pud_pages, end)

    def pud_addresses(self, address: int) -> range:
        """All addresses that the PUD entry of one maps."""
        first = address - address % self.pud_pages
        return range(first, first + self.pud_pages)

    def pmd(self, address: int) -> ObservedCell[Pmd]:
        """pmd_offset"""
        return self.pmds[address // self.pmd_pages]

    def ptl(self, address: int) -> SpinLock:
        """pte_lockptr"""
        return self.ptls[address // self.pmd_pages]

    def pmd_addr_end(self, address: int, end: int) -> int:
        """The first address that another PMD entry maps, `end` at most."""
        return min(address - address % self.pmd_pages + self.pmd_pages, end)

    def pmd_addresses(self, address: int) -> range:
        """All addresses that the PMD entry of one maps."""
        first = address - address % self.pmd_pages
        return range(first, first + self.pmd_pages)

    def __repr__(self) -> str:
        return self.name
