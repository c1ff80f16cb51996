"""Address spaces of processes: page tables, VMAs, and what else a mm has (include/linux/mm_types.h, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.sim import Atomic, Cell, RwSemaphore, SpinLock

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import AddressSpace
    from daxfuzz.kernel.tlb import Tlb
    from daxfuzz.sim import Task, World

VMA_PAGES = 8
"""Distance, in pages, between the places where a mm maps two files."""


class Pte(NamedTuple):
    """A present page-table entry.

    zero: maps the zero page (pte_special, no devmap) instead of a block.
    """

    pfn: int
    write: bool = False
    dirty: bool = False
    zero: bool = False

    def __repr__(self) -> str:
        what = "zero page" if self.zero else f"pfn {self.pfn}"
        return what + ("|W" if self.write else "") + ("|D" if self.dirty else "")


class Vma:
    """A MAP_SHARED mapping of a whole file. Immutable: mapping again makes a new one.

    start: its first address, in pages.
    """

    __slots__ = ("mapping", "mm", "pages", "start")

    def __init__(self, mm: Mm, mapping: AddressSpace, start: int, pages: int) -> None:
        self.mm = mm
        self.mapping = mapping
        self.start = start
        self.pages = pages

    def addresses(self, first: int, last: int) -> range:
        """Addresses that map the file pages from `first` to `last`, both included, as far as they are mapped."""
        return range(self.start + first, self.start + min(last, self.pages - 1) + 1)

    def __repr__(self) -> str:
        return f"{self.mm.name}:{self.mapping.host.name}"


class Mm:
    """One address space, run by one or more tasks.

    slots: page-table entries by address (in pages); they exist for every address that can be mapped.
    ptl: the page-table locks, one per VMA-sized region, as split ptlocks have one per page-table page.
    tlb_flush_pending: number of mmu_gathers at work.
    write_protect_seq: odd while fork write-protects private pages.
    tlbs: one per task, since each task has a processor of its own.
    """

    __slots__ = (
        "index",
        "mmap_lock",
        "name",
        "ptls",
        "slots",
        "tasks",
        "tlb_flush_pending",
        "tlbs",
        "vmas",
        "write_protect_seq",
    )

    def __init__(self, world: World, index: int, name: str, files: list[int]) -> None:
        self.index = index
        self.name = name
        self.mmap_lock = RwSemaphore(world, f"{name}.mmap_lock", "mmap_lock")
        self.vmas: Cell[tuple[Vma, ...]] = Cell(world, f"{name}.vmas", ())
        self.write_protect_seq = Atomic(world, f"{name}.write_protect_seq", 0)
        self.tlb_flush_pending = Atomic(world, f"{name}.tlb_flush_pending", 0)
        self.slots: dict[int, Cell[Pte | None]] = {}
        self.ptls: list[SpinLock] = []
        for number, pages in enumerate(files):
            self.ptls.append(SpinLock(world, f"{name}.ptl{number}", "ptl"))
            for i in range(pages):
                address = number * VMA_PAGES + i
                self.slots[address] = Cell(world, f"{name}.pte{number}.{i}", None)
        self.tasks: list[Task] = []
        self.tlbs: list[Tlb] = []

    def ptl(self, address: int) -> SpinLock:
        """pte_lockptr"""
        return self.ptls[address // VMA_PAGES]

    def __repr__(self) -> str:
        return self.name
