"""Memory failures that are reported as dealt with, and are not."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING

from daxfuzz.kernel.mm import Pmd, Pte
from daxfuzz.oracles.entry_owners import EntryOwners
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Cell, Signal

if TYPE_CHECKING:
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.kernel.page import Page
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task

FAILURES = ("memory_failure", "madvise")
"""Calls that fail pages."""

Place = tuple[int, int, "Cell[Pte | None] | Cell[Pmd]"]
"""An address, the number of pages that the page-table entry maps there, and the entry."""


class UnhandledFailure(Oracle):
    """Who fails a page that its own process maps, successfully, has it unmapped and gets a signal.

    That is what mf_generic_kill_procs and mf_dax_kill_procs promise (MF_ACTION_REQUIRED and MF_MUST_KILL, v6.0 and
    v6.19). Others that map the page are told only if they have asked for it. Looked at is what maps the page when it is
    marked, through a file whose entry is locked for that, with an entry as large as that of the file, until somebody
    unmaps it; the page may be mapped again later, also through another file that shares it and was dealt with before.
    """

    kinds = ("unhandled-failure",)

    def reset(self) -> None:
        # What maps a failed page still, and the tasks that have unmapped one, by the task that has failed it.
        self.mapped: list[tuple[int, Cell[Pte | None] | Cell[Pmd]]] = []
        self.unmapped: list[int] = []

    def memory(self) -> Hashable:
        return tuple(sorted((index, cell.name) for index, cell in self.mapped)), tuple(sorted(set(self.unmapped)))

    def attach(self) -> None:
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        if not any(call.name in FAILURES for call in calls):
            return
        self.owners = EntryOwners.of(self.sim)
        for page in self.kernel.pages[: self.kernel.device_pages]:
            listen(page.hwpoison, "watch", self.failure_watcher(page))
        for mm in self.kernel.mms:
            for _, _, cell in places(mm):
                listen(cell, "watch", self.unmap_watcher(cell))
        self.sim.on_end.append(self.ended, FAILURES)

    def failure_watcher(self, page: Page) -> Callable[[bool, bool], None]:
        """Notes what maps a page when it is marked."""

        def marked(old: bool, new: bool) -> None:
            task = self.world.current
            mm = self.kernel.mm_of.get(task.index)
            if mm is None:
                return
            locked = self.owners.locked_entries(task, page.pfn)
            for address, pages, cell in places(mm):
                entry = locked.get(self.kernel.file_page(address)[0])
                size = pages if entry is None else entry.size(self.kernel.machine)
                known = entry is not None or self.kernel.fs.char_device
                if known and size == pages and maps(cell.value, page.pfn):
                    self.mapped.append((task.index, cell))

        return marked

    def unmap_watcher(self, cell: Cell[Pte | None] | Cell[Pmd]) -> Callable[[Pmd, Pmd], None]:
        """Notes who unmaps it."""

        def stored(old: Pmd, new: Pmd) -> None:
            if not self.mapped or (isinstance(old, Pte) and maps(new, old.pfn)):
                return
            me = self.world.current.index
            if any(each is cell and index == me for index, each in self.mapped):
                self.unmapped.append(me)
            self.mapped = [(index, each) for index, each in self.mapped if each is not cell]

        return stored

    def ended(self, task: Task, call: Call, result: Result) -> None:
        mapped = [cell for index, cell in self.mapped if index == task.index]
        if result == 0 and mapped:
            self.fail("unhandled-failure", f"{call} returns 0, and {mapped[0].name} maps the page as before")
        if result == 0 and task.index in self.unmapped and task.signal is Signal.NONE:
            self.fail("unhandled-failure", f"{call} has unmapped the page, and sent {task.name} no signal")
        self.mapped = [(index, cell) for index, cell in self.mapped if index != task.index]
        self.unmapped = [index for index in self.unmapped if index != task.index]


def places(mm: Mm) -> Iterator[Place]:
    """All page-table entries of an address space, of every size."""
    for address, slot in mm.slots.items():
        yield address, 1, slot
    for number, pmd in mm.pmds.items():
        yield number * mm.pmd_pages, mm.pmd_pages, pmd
    for number, pud in mm.puds.items():
        yield number * mm.pud_pages, mm.pud_pages, pud


def maps(value: Pmd, pfn: int) -> bool:
    """Whether an entry maps a page, and those behind it."""
    return isinstance(value, Pte) and value.pfn == pfn and not value.zero
