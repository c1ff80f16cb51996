"""Abstract states of pages: what a protocol tells apart, without saying which page it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.xarray import Mark
from daxfuzz.oracles.oracle import listen

if TYPE_CHECKING:
    from collections.abc import Callable

    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.page import Page
    from daxfuzz.kernel.xarray import XArray
    from daxfuzz.program.simulation import Simulation

SEVERAL = 2
"""From here on a number of pins, of mappings or of waiters is not counted further."""

MANY = 3
"""The same for references."""


class PageState(NamedTuple):
    """One page, as far as it is no page in particular.

    pins: 0, 1, or several, by the refcount divided by the bias and the pincount.
    references: the rest of the refcount, up to 3; -1 if the count is negative.
    mapped: page-table entries that map it: none, one, or several.
    entry: 0 without one in its file, else 1, and 2 more if it is locked, 4 if dirty, 8 if huge.
    waiters: who waits for it to be idle: nobody, one, or several.
    """

    pins: int
    references: int
    mapped: int
    entry: int
    waiters: int


class PageStates:
    """Notes the state of a page whenever its reference count, its mappings or its entry have changed.

    seen: the states of the present execution, in the order of the first time.
    """

    def __init__(self, sim: Simulation) -> None:
        # What it counts on from is the start of an execution, also where there have been some.
        sim.world.reset()
        sim.world.close()
        self._kernel = kernel = sim.kernel
        self._bias = sim.program.machine.bias
        self._pages = kernel.pages
        self._queues = [
            kernel.var_waitqueues.bucket(address).entries for address in map(kernel.dax.idle_address, self._pages)
        ]
        self._addresses = [kernel.dax.idle_address(page) for page in self._pages]
        self.seen: dict[PageState, None] = {}
        self._mapped = [0] * len(self._pages)
        self._places: dict[int, tuple[XArray, int]] = {}
        self._listen()
        self._sealed = (self._count_mappings(), self._find_entries())
        sim.world.on_reset.append(self._reset)

    def _listen(self) -> None:
        for page in self._pages:
            listen(page.refcount, "watch", self._counted(page))
        for mm in self._kernel.mms:
            for table, span in ((mm.slots, 1), (mm.pmds, mm.pmd_pages), (mm.puds, mm.pud_pages)):
                for slot in table.values():
                    listen(slot, "watch", self._remapped(span))
        for inode in self._kernel.inodes.values():
            listen(inode.i_mapping.i_pages, "watch", self._stored(inode.i_mapping.i_pages))

    def _reset(self) -> None:
        mapped, places = self._sealed
        self.seen = {}
        self._mapped[:] = mapped
        self._places = dict(places)

    def _count_mappings(self) -> list[int]:
        for mm in self._kernel.mms:
            for table, span in ((mm.slots, 1), (mm.pmds, mm.pmd_pages), (mm.puds, mm.pud_pages)):
                for slot in table.values():
                    self._map(slot.value, span, 1)
        return list(self._mapped)

    def _find_entries(self) -> dict[int, tuple[XArray, int]]:
        for inode in self._kernel.inodes.values():
            i_pages = inode.i_mapping.i_pages
            for index, entry in i_pages.entries.items():
                self._place(i_pages, index, entry)
        return dict(self._places)

    # -- what changes ----------------------------------------------------------------------------------------------

    def _counted(self, page: Page) -> Callable[[int, int], None]:
        pages = (page.pfn,)
        return lambda old, new: self._note(pages)

    def _remapped(self, span: int) -> Callable[[object, object], None]:
        def changed(old: object, new: object) -> None:
            self._note((*self._map(old, span, -1), *self._map(new, span, 1)))

        return changed

    def _map(self, entry: object, span: int, change: int) -> Iterable[int]:
        """Count an entry of a page table; the pages that it maps."""
        if not isinstance(entry, Pte) or entry.zero:
            return ()
        pfns = range(entry.pfn, entry.pfn + span)
        for pfn in pfns:
            self._mapped[pfn] += change
        return pfns

    def _stored(self, i_pages: XArray) -> Callable[[int, Entry | None, Entry | None], None]:
        machine = self._kernel.machine

        def stored(index: int, old: Entry | None, new: Entry | None) -> None:
            if old is not None:
                for pfn in old.pfns(machine):
                    if self._places.get(pfn) == (i_pages, index):
                        del self._places[pfn]
            if new is not None:
                self._place(i_pages, index, new)
            self._note({pfn: None for entry in (old, new) if entry is not None for pfn in entry.pfns(machine)})

        return stored

    def _place(self, i_pages: XArray, index: int, entry: Entry) -> None:
        for pfn in entry.pfns(self._kernel.machine):
            self._places[pfn] = (i_pages, index)

    # -- what it is now ----------------------------------------------------------------------------------------------

    def _note(self, pfns: Iterable[int]) -> None:
        for pfn in pfns:
            page = self._pages[pfn]
            if not page.freed:
                self.seen[self._state(pfn, page)] = None

    def _state(self, pfn: int, page: Page) -> PageState:
        pins, references = divmod(page.refcount.value, self._bias)
        if pins < 0:
            pins, references = 0, -1
        return PageState(
            min(pins + page.pincount.value, SEVERAL),
            min(references, MANY),
            min(self._mapped[pfn], SEVERAL),
            self._entry(pfn),
            self._waiters(pfn),
        )

    def _entry(self, pfn: int) -> int:
        place = self._places.get(pfn)
        if place is None:
            return 0
        i_pages, index = place
        entry = i_pages.entries.get(index)
        if entry is None:
            return 0
        return 1 + 2 * entry.locked + 4 * (index in i_pages.marks[Mark.DIRTY]) + 8 * entry.huge

    def _waiters(self, pfn: int) -> int:
        entries = self._queues[pfn]
        if not entries:
            return 0
        address = self._addresses[pfn]
        return min(sum(entry.key == address for entry in entries), SEVERAL)
