"""Conservation of page references."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.mm import Pte
from daxfuzz.oracles.lookup import leaves
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.mm import Pmd
    from daxfuzz.kernel.page import Page
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.program.simulation import Reference
    from daxfuzz.sim import Task


class Refcount(Oracle):
    """A page's count is idle + references held (where the protocol says so, by page tables) + what calls have added.

    Each step: never below idle. At the end of each call: it has added what it gave its task to hold, and dropped what
    its task gave up. At rest: nothing is left that no register accounts for.
    """

    kinds = ("refcount-underflow", "refcount-mismatch", "leak")

    def attach(self) -> None:
        self.idle = self.kernel.dax.idle_refcount()
        self.per_pte = self.kernel.memory.pte_references()
        # The zero page stands for a hole, and its references are kept like those of any page.
        self.pages = [*self.kernel.pages, self.kernel.zero_folio]
        for page in self.kernel.pages:
            listen(page.refcount, "watch", self.watcher(page.pfn, self.idle))
        listen(self.kernel.zero_folio.refcount, "watch", self.watcher(self.kernel.zero_folio.pfn, 1))
        if self.per_pte:
            for mm in self.kernel.mms:
                for slot in mm.slots.values():
                    listen(slot, "watch", self.remapped)
                for pmd in mm.pmds.values():
                    listen(pmd, "watch", self.remapped)
        self.sim.on_hold.append(self.held)
        self.sim.on_drop.append(self.dropped)
        self.sim.on_end.append(self.ended)
        self.world.on_end.append(self.at_rest)

    def reset(self) -> None:
        self.in_flight: list[dict[int, int]] = [{} for _ in self.world.tasks]

    def watcher(self, pfn: int, idle: int) -> Callable[[int, int], None]:
        def changed(old: int, new: int) -> None:
            if new < idle:
                self.fail("refcount-underflow", f"the reference count of page {pfn} falls from {old} to {new}")
            mine = self.in_flight[self.world.current.index]
            mine[pfn] = mine.get(pfn, 0) + new - old

        return changed

    def remapped(self, old: Pmd, new: Pmd) -> None:
        """A page-table entry takes over the references of the call that sets it, and leaves them to who clears it."""
        task = self.world.current
        if isinstance(old, Pte) and not old.zero:
            self.account(task, self.kernel.pages[old.pfn].head.value, self.per_pte)
        if isinstance(new, Pte) and not new.zero:
            self.account(task, self.kernel.pages[new.pfn].head.value, -self.per_pte)

    def weight(self, reference: Reference) -> int:
        """How much a reference adds to the count."""
        return self.kernel.machine.bias if reference.flags & Foll.PIN else 1

    def held(self, task: Task, reference: Reference) -> None:
        self.account(task, reference.page, -self.weight(reference))

    def dropped(self, task: Task, reference: Reference) -> None:
        self.account(task, reference.page, self.weight(reference))

    def account(self, task: Task, page: Page, amount: int) -> None:
        mine = self.in_flight[task.index]
        mine[page.pfn] = mine.get(page.pfn, 0) + amount

    def ended(self, task: Task, call: Call, result: Result) -> None:
        for pfn, amount in self.in_flight[task.index].items():
            if amount < 0:
                self.fail("refcount-mismatch", f"{call} has dropped {-amount} references too many of page {pfn}")
            if amount > 0:
                self.fail("leak", f"{call} leaves {amount} references of page {pfn} behind that nobody holds")

    def at_rest(self) -> None:
        # Of a call that will never end, nobody can say what it still has to drop.
        if self.world.freed or any(task.point is not None for task in self.world.tasks):
            return
        held = [0] * len(self.pages)
        for index in range(len(self.sim.registers)):
            for reference in self.sim.references(index):
                held[reference.page.pfn] += self.weight(reference)
        for mm in self.kernel.mms:
            for pte in leaves(mm):
                if not pte.zero:
                    held[self.kernel.pages[pte.pfn].head.value.pfn] += self.per_pte
        for page in self.pages:
            left = page.refcount.value - (1 if page is self.kernel.zero_folio else self.idle) - held[page.pfn]
            if left:
                raise Violation("leak", f"{left} references of page {page.pfn} are left that nobody holds")
        pgmap = self.kernel.pgmap
        left = pgmap.ref.count - len(self.kernel.pages) - 1
        if left and not pgmap.ref.dying:
            raise Violation("leak", f"{left} references of the page map are left that nobody holds")
