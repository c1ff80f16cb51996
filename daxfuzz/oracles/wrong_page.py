"""References on pages of other addresses."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.kernel.mm import Pmd, Pte
from daxfuzz.oracles.lookup import mapped
from daxfuzz.oracles.oracle import Oracle, listen

if TYPE_CHECKING:
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.kernel.page import Page
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.program.simulation import Reference
    from daxfuzz.sim import Task

TAKES = (
    "get_user_pages",
    "get_user_pages_fast",
    "pin_user_pages",
    "pin_user_pages_fast",
    "vmsplice",
    "direct_read",
)
"""Calls that take references through the mappings of their process."""


class WrongPage(Oracle):
    """The page that GUP returns for an address was mapped there at some time during the call."""

    kinds = ("wrong-page",)

    def reset(self) -> None:
        # Entries that are no more, with their address space, first address and size; and per task that is in a call how
        # many there were when that began.
        self.gone: list[tuple[Mm, int, int, Pte]] = []
        self.begin: dict[int, int] = {}

    def memory(self) -> Hashable:
        during = [
            (task, tuple(sorted({(mm.index, *entry) for mm, *entry in self.gone[since:]})))
            for task, since in self.begin.items()
        ]
        return tuple(sorted(during))

    def attach(self) -> None:
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        if not any(call.name in TAKES for call in calls):
            return
        for mm in self.kernel.mms:
            for address, slot in mm.slots.items():
                listen(slot, "watch", self.watcher(mm, address, 1))
            for number, pmd in mm.pmds.items():
                listen(pmd, "watch", self.watcher(mm, number * mm.pmd_pages, mm.pmd_pages))
            for number, pud in mm.puds.items():
                listen(pud, "watch", self.watcher(mm, number * mm.pud_pages, mm.pud_pages))
        self.sim.on_begin.append(self.began, TAKES)
        self.sim.on_end.append(self.ended, TAKES)
        self.sim.on_hold.append(self.held)

    def watcher(self, mm: Mm, address: int, pages: int) -> Callable[[Pmd, Pmd], None]:
        """Keeps what an entry was."""

        def stored(old: Pmd, new: Pmd) -> None:
            if isinstance(old, Pte):
                self.gone.append((mm, address, pages, old))

        return stored

    def began(self, task: Task, call: Call) -> None:
        self.begin[task.index] = len(self.gone)

    def ended(self, task: Task, call: Call, result: Result) -> None:
        del self.begin[task.index]

    def held(self, task: Task, reference: Reference) -> None:
        mm = self.kernel.mm_of[task.index]
        addresses = self.kernel.addresses(reference.inode, reference.file_page)
        if not any(self.was_mapped(mm, address, reference.page, self.begin[task.index]) for address in addresses):
            name = list(self.kernel.inodes)[reference.inode]
            message = f"{task.name} gets {reference.page} for {name}[{reference.file_page}], where it was not mapped"
            self.fail("wrong-page", message)

    def was_mapped(self, mm: Mm, address: int, page: Page, since: int) -> bool:
        """Whether a page is mapped at an address, or has been there since a moment."""
        if address in mm.slots and self.leads(mapped(mm, address), page):
            return True
        return any(
            each is mm and 0 <= address - first < pages and self.leads(pte.sub(address - first), page)
            for each, first, pages, pte in self.gone[since:]
        )

    def leads(self, pte: Pte | None, page: Page) -> bool:
        """Whether an entry of one page maps a page."""
        return pte is not None and (page is self.kernel.zero_folio if pte.zero else pte.pfn == page.pfn)
