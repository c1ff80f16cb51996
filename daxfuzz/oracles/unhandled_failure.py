"""Memory failures that are reported as dealt with, and are not."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EBUSY
from daxfuzz.kernel.mm import Pmd, Pte
from daxfuzz.oracles.entry_owners import EntryOwners
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Cell, Signal, Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import AddressSpace
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
    """Who fails a page that its own process maps, successfully, has it unmapped and gets a signal; nobody else does.

    That is what mf_generic_kill_procs and mf_dax_kill_procs promise (MF_ACTION_REQUIRED and MF_MUST_KILL, v6.0 and
    v6.19). Others that map the page are told only if they have asked for it. Looked at is what maps the page when that
    begins, and when it is marked, through a file whose entry is locked for that, with an entry as large as that of the
    file, until somebody unmaps it; the page may be mapped again later, also through another file that shares it and was
    dealt with before. A page that files share is not busy (-EBUSY) where the file system knows who has it.

    A signal is for a process that has mapped the file page since that began. What is marked is the failed page, or the
    first page of the entry or of the folio that it belongs to.
    """

    kinds = ("unhandled-failure",)

    def reset(self) -> None:
        # What maps a failed page still, and the tasks that have unmapped one, by the task that has failed it.
        self.mapped: list[tuple[int, Cell[Pte | None] | Cell[Pmd]]] = []
        self.unmapped: list[int] = []
        # By the task that fails a page: where processes map pages, or have done so since.
        self.reached: dict[int, set[tuple[int, int]]] = {}
        # The page that a task deals with.
        self.failed: dict[int, int] = {}

    def memory(self) -> Hashable:
        return (
            tuple(sorted((index, cell.name) for index, cell in self.mapped)),
            tuple(sorted(set(self.unmapped))),
            tuple((index, tuple(sorted(where))) for index, where in sorted(self.reached.items())),
            tuple(sorted(self.failed.items())),
        )

    def attach(self) -> None:
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        if not any(call.name in FAILURES for call in calls):
            return
        self.owners = EntryOwners.of(self.sim)
        for page in self.kernel.pages[: self.kernel.device_pages]:
            listen(page.hwpoison, "watch", self.failure_watcher(page))
        for mm in self.kernel.mms:
            for address, pages, cell in places(mm):
                listen(cell, "watch", self.map_watcher(mm, address, pages, cell))
        listen(self.kernel, "on_failure", self.begun)
        listen(self.kernel, "on_kill", self.told)
        self.sim.on_begin.append(self.starts, FAILURES)
        self.sim.on_end.append(self.ended, FAILURES)

    def begun(self, pfn: int) -> None:
        """A task begins to deal with the failure of a page."""
        task = self.world.current
        self.failed[task.index] = pfn
        reached = self.reached[task.index] = set()
        for mm in self.kernel.mms:
            for address, pages, cell in places(mm):
                if isinstance(cell.value, Pte):
                    reached.update((mm.index, address + offset) for offset in range(pages))
        self.note(task, pfn, self.cached(pfn))

    def failure_watcher(self, page: Page) -> Callable[[bool, bool], None]:
        """Notes what maps a page when it is marked."""

        def marked(old: bool, new: bool) -> None:
            task = self.world.current
            failed = self.failed.get(task.index, page.pfn)
            if not self.stands_for(task, page, failed):
                message = f"{task.name} marks page {page.pfn}, and page {failed} has failed"
                self.world.defer(Violation("unhandled-failure", message, tasks=(task.name,)))
            self.note(task, page.pfn, self.owners.locked_entries(task, page.pfn))

        return marked

    def stands_for(self, task: Task, page: Page, failed: int) -> bool:
        """Whether a page that a task marks is one that has failed, or the first of what that belongs to."""
        if failed == page.pfn or self.kernel.pages[failed].head.value is page:
            return True
        entries = self.owners.locked_entries(task, failed).values()
        return any(entry.pfn == page.pfn for entry in entries)

    def cached(self, pfn: int) -> dict[int, Entry]:
        """The entries for a page, by the number of the inode."""
        return {
            inode.number: entry
            for inode in self.kernel.inodes.values()
            for entry in inode.i_mapping.i_pages.entries.values()
            if pfn in entry.pfns(self.kernel.machine)
        }

    def note(self, task: Task, pfn: int, known: dict[int, Entry]) -> None:
        """Note what of the process of a task maps a page, through files whose entries for it are given."""
        mm = self.kernel.mm_of.get(task.index)
        for address, pages, cell in places(mm) if mm is not None else ():
            entry = known.get(self.kernel.file_page(address)[0])
            size = pages if entry is None else entry.size(self.kernel.machine)
            judged = entry is not None or self.kernel.fs.char_device
            if judged and size == pages and covers(cell.value, pages, pfn) and (task.index, cell) not in self.mapped:
                self.mapped.append((task.index, cell))

    def map_watcher(
        self, mm: Mm, address: int, pages: int, cell: Cell[Pte | None] | Cell[Pmd]
    ) -> Callable[[Pmd, Pmd], None]:
        """Notes who unmaps it, and who maps what."""

        def stored(old: Pmd, new: Pmd) -> None:
            if self.reached and isinstance(new, Pte):
                for reached in self.reached.values():
                    reached.update((mm.index, address + offset) for offset in range(pages))
            if not self.mapped or (isinstance(old, Pte) and maps(new, old.pfn)):
                return
            me = self.world.current.index
            if any(each is cell and index == me for index, each in self.mapped):
                self.unmapped.append(me)
            self.mapped = [(index, each) for index, each in self.mapped if each is not cell]

        return stored

    def told(self, mapping: AddressSpace, index: int, tasks: list[Task]) -> None:
        """Somebody is to be told of the failure; or of the removal of the device, of which everybody is."""
        me = self.world.current
        reached = self.reached.get(me.index)
        if reached is None:
            return
        for task in tasks:
            mm = self.kernel.mm_of.get(task.index)
            where = self.kernel.addresses(mapping.host.number, index)
            if mm is not None and not any((mm.index, address) in reached for address in where):
                name = f"{mapping.host.name}[{index}]"
                message = f"{me.name} signals {task.name} for {name}, which {mm.name} has not mapped since it failed"
                self.world.defer(Violation("unhandled-failure", message, tasks=(me.name,)))

    def owners_known(self) -> bool:
        """Whether the holder of the device can tell whose a page is."""
        return self.kernel.fs.reflinks and self.kernel.machine.rmapbt and self.kernel.dax_alive.value

    def ended(self, task: Task, call: Call, result: Result) -> None:
        mapped = [cell for index, cell in self.mapped if index == task.index]
        if result == 0 and mapped:
            self.fail("unhandled-failure", f"{call} returns 0, and {mapped[0].name} maps the page as before")
        if result == -EBUSY and mapped and self.owners_known():
            self.fail("unhandled-failure", f"{call} returns -EBUSY, and the file system knows who has the page")
        if result == 0 and task.index in self.unmapped and task.signal is Signal.NONE:
            self.fail("unhandled-failure", f"{call} has unmapped the page, and sent {task.name} no signal")
        self.forget(task)

    def starts(self, task: Task, call: Call) -> None:
        """What the task has done in other calls, as in the removal of the device, is no matter of this one."""
        self.forget(task)

    def forget(self, task: Task) -> None:
        """Begin anew with a task."""
        self.mapped = [(index, cell) for index, cell in self.mapped if index != task.index]
        self.unmapped = [index for index in self.unmapped if index != task.index]
        self.reached.pop(task.index, None)
        self.failed.pop(task.index, None)


def places(mm: Mm) -> Iterator[Place]:
    """All page-table entries of an address space, of every size."""
    for address, slot in mm.slots.items():
        yield address, 1, slot
    for number, pmd in mm.pmds.items():
        yield number * mm.pmd_pages, mm.pmd_pages, pmd
    for number, pud in mm.puds.items():
        yield number * mm.pud_pages, mm.pud_pages, pud


def covers(value: Pmd, pages: int, pfn: int) -> bool:
    """Whether an entry for so many pages maps a page."""
    return isinstance(value, Pte) and not value.zero and value.pfn <= pfn < value.pfn + pages


def maps(value: Pmd, pfn: int) -> bool:
    """Whether an entry maps a page, and those behind it."""
    return isinstance(value, Pte) and value.pfn == pfn and not value.zero
