"""Translation look-aside buffers, their shoot-down, and mmu_gather (arch/x86/mm/tlb.c, mm/mmu_gather.c, v6.0)."""

from __future__ import annotations

import types
from collections.abc import Generator, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from daxfuzz.kernel.machine import TlbMode
from daxfuzz.kernel.mm import TABLE, Pte
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.sim import Access, Point, Shared

if TYPE_CHECKING:
    from daxfuzz.kernel.machine import Machine
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.kernel.page import Page
    from daxfuzz.sim import Task, World


class Tlb(Shared):
    """The translations that one processor holds for the mm it runs.

    entries: of single pages, by address.
    huge: of PMD entries, by address // pmd_pages.
    puds: of PUD entries, by address // pud_pages; a mm that has these has nothing else.

    A hardware walk loads the page-table entry, fills the buffer and makes the access before the processor takes
    an interrupt; so filling belongs to the walk's step, and an access whose translation is flushed first is
    restarted (:meth:`holds` is part of the access's step).
    """

    __slots__ = ("_flush", "_pmd_pages", "_pud_pages", "entries", "huge", "puds", "task")
    GUARDED = ("entries", "huge", "puds")
    PASSENGER = True
    TRACKED = True

    def __init__(self, world: World, task: Task, machine: Machine) -> None:
        super().__init__(world, f"{task.name}.tlb")
        self.task = task
        self.entries: dict[int, Pte] = {}
        self.huge: dict[int, Pte] = {}
        self.puds: dict[int, Pte] = {}
        self._pmd_pages = machine.pmd_pages
        self._pud_pages = machine.pud_pages
        self._flush = self.point(Access.WRITE, "tlbi")

    def lookup(self, address: int) -> Pte | None:
        """The processor looks at its own buffer."""
        pte = self.entries.get(address)
        if pte is None and self.huge:
            pmd = self.huge.get(address // self._pmd_pages)
            if pmd is not None:
                return pmd.sub(address % self._pmd_pages)
        if self.puds:
            pud = self.puds.get(address // self._pud_pages)
            if pud is not None:
                return pud.sub(address % self._pud_pages)
        return pte

    def fill(self, address: int, pte: Pte) -> None:
        """Keep the translation of a page, in the step that read it from the page table.

        What was there for the address goes: the processor drops a translation that did not permit its access.
        """
        if self.clean:
            self.touch()
        self.huge.pop(address // self._pmd_pages, None)
        self.entries[address] = pte

    def fill_huge(self, address: int, pmd: Pte) -> None:
        """Keep the translation that a PMD entry gives to all of its addresses."""
        if self.clean:
            self.touch()
        self.entries.pop(address, None)
        self.huge[address // self._pmd_pages] = pmd

    async def walk(self, mm: Mm, address: int, write: bool) -> Pte | None:
        """The processor walks the page table and keeps the translation; None if none permits the access."""
        if mm.puds:
            pud = await mm.pud(address).read_once()
            if pud is None or (write and not pud.write):
                return None
            if self.clean:
                self.touch()
            self.puds[address // self._pud_pages] = pud
            return pud.sub(address % self._pud_pages)
        pmd = await mm.pmd(address).read_once()
        if pmd is TABLE:
            pte = await mm.slots[address].read_once()
            if pte is None or (write and not pte.write):
                return None
            self.fill(address, pte)
            return pte
        if not isinstance(pmd, Pte) or pmd.invalid or (write and not pmd.write):
            return None
        self.fill_huge(address, pmd)
        return pmd.sub(address % self._pmd_pages)

    def holds(self, address: int, pte: Pte) -> bool:
        """Whether an access may still use the translation."""
        return self.lookup(address) == pte

    def drop(self, addresses: Iterable[int]) -> None:
        """Forget translations, in a step of whoever flushes; a huge one goes with any of its addresses."""
        for address in addresses:
            self.entries.pop(address, None)
            self.huge.pop(address // self._pmd_pages, None)
            if self.puds:
                self.puds.pop(address // self._pud_pages, None)

    def translations(self) -> Iterator[tuple[int, Pte]]:
        """All translations, page by page, for observers."""
        yield from self.entries.items()
        for number, pmd in self.huge.items():
            for offset in range(self._pmd_pages):
                yield number * self._pmd_pages + offset, pmd.sub(offset)
        for number, pud in self.puds.items():
            for offset in range(self._pud_pages):
                yield number * self._pud_pages + offset, pud.sub(offset)

    def maps(self, pfn: int) -> bool:
        """Whether any translation leads to the page."""
        return any(pte.pfn == pfn and not pte.zero for _, pte in self.translations())

    @types.coroutine
    def broadcast(self, tlbs: Iterable[Tlb], addresses: Iterable[int]) -> Generator[Point, None, None]:
        """Drop translations on all given processors in one step (tlbi and dsb)."""
        yield self._flush
        for tlb in tlbs:
            tlb.drop(addresses)

    def state(self) -> Hashable:
        return tuple(tuple(sorted(each.items())) for each in (self.entries, self.huge, self.puds))

    def restore(self, state: Any) -> None:
        assert not any(state), "a world is sealed before any processor has walked"
        self.entries.clear()
        self.huge.clear()
        self.puds.clear()


class MmuGather:
    """struct mmu_gather: what one zap has cleared and still has to flush.

    pages: those whose references are to be dropped after the flush.
    vma_pfn: the VMA may map what has no struct page (VM_MIXEDMAP), so nothing delays the end of its pages' use.
    """

    __slots__ = ("addresses", "mm", "pages", "vma_pfn")

    def __init__(self, mm: Mm) -> None:
        self.mm = mm
        self.addresses: list[int] = []
        self.pages: list[Page] = []
        self.vma_pfn = False


class TlbFlush(Subsystem):
    """mmu_gather and flush_tlb_mm_range."""

    async def tlb_gather_mmu(self, mm: Mm) -> MmuGather:
        """Start to collect (tlb_gather_mmu, inc_tlb_flush_pending)."""
        await mm.tlb_flush_pending.add(1)
        return MmuGather(mm)

    async def tlb_end_vma(self, tlb: MmuGather) -> None:
        """The end of one VMA's entries: flush now, where the architecture does not merge VMAs in one gather, or where
        the VMA is VM_MIXEDMAP."""
        if tlb.vma_pfn or not self.k.machine.merge_vmas:
            await self.tlb_flush_mmu_tlbonly(tlb)

    async def tlb_finish_mmu(self, tlb: MmuGather) -> None:
        """Flush what was collected; everything, if another gather is at work on this mm (mm_tlb_flush_nested).

        The other one may have cleared an entry that this one then found none, and not have flushed yet.
        """
        mm = tlb.mm
        if await mm.tlb_flush_pending.read() > 1:
            tlb.addresses = list(mm.slots)
        if tlb.addresses or tlb.pages:
            await self.tlb_flush_mmu(tlb)
        await mm.tlb_flush_pending.add(-1)

    async def tlb_flush_mmu(self, tlb: MmuGather) -> None:
        """Flush, and only then drop the references that were collected."""
        if tlb.addresses:
            await self.tlb_flush_mmu_tlbonly(tlb)
        if tlb.pages:
            await self.tlb_batch_pages_flush(tlb)

    async def tlb_flush_mmu_tlbonly(self, tlb: MmuGather) -> None:
        """Flush what was cleared since the last time, if anything."""
        if tlb.addresses:
            await self.flush_tlb_mm_range(tlb.mm, tlb.addresses)
            tlb.addresses = []

    async def tlb_batch_pages_flush(self, tlb: MmuGather) -> None:
        """Drop the references that were collected (free_pages_and_swap_cache, release_pages)."""
        if tlb.pages:
            await self.k.memremap.release_pages(tlb.pages)
            tlb.pages = []

    async def flush_tlb_mm_range(self, mm: Mm, addresses: list[int]) -> None:
        """Make every processor that runs the mm drop these translations, and wait until all have."""
        if self.k.machine.tlb is TlbMode.BROADCAST:
            await mm.tlbs[0].broadcast(mm.tlbs, addresses)
        else:
            tlbs = self.k.tlbs
            await self.k.interrupts.call_function(mm.cpumask, lambda index: tlbs[index].drop(addresses))
        if mm.on_flush is not None:
            mm.on_flush(addresses)
