"""Conservation of page references."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from daxfuzz.kernel.gup import Foll
from daxfuzz.oracles.in_flight import InFlight
from daxfuzz.oracles.lookup import head_of, leaves
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.page import Page
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task


class Refcount(Oracle):
    """A page's count is idle + references held (of page tables and entries, too, if they hold any) + what calls add.

    A page of memory is free at 0, and each entry that maps it holds a reference in every protocol.

    Each step: never below idle. At the end of each call: it has added what it gave its task to hold, and dropped what
    its task gave up. At rest: nothing is left that no register accounts for. A page that is gone has no count, and
    how much one reference of it was worth (a pin of a small folio, or of a large one) cannot be told any more; who
    still uses it is found by use-after-free.
    """

    kinds = ("refcount-underflow", "refcount-mismatch", "leak")

    def attach(self) -> None:
        # The zero page stands for a hole, and its references are kept like those of any page.
        self.pages = [*self.kernel.pages, self.kernel.zero_folio]
        self.in_flight = InFlight.of(self.sim)
        self.in_flight.judges.append(self.changed)
        self.idle_counts = [self.idle_count(page) for page in self.pages]
        for page in self.kernel.pages:
            listen(page.pincount, "watch", self.pin_watcher(page.pfn))
        self.sim.on_end.append(self.ended)
        self.world.on_end.append(self.at_rest)

    def changed(self, pfn: int, old: int, new: int) -> None:
        if new < self.idle_counts[pfn]:
            self.fail("refcount-underflow", f"the reference count of page {pfn} falls from {old} to {new}")

    def pin_watcher(self, pfn: int) -> Callable[[int, int], None]:
        def changed(old: int, new: int) -> None:
            if new < 0:
                self.fail("refcount-underflow", f"the pin count of page {pfn} falls from {old} to {new}")

        return changed

    def idle_count(self, page: Page) -> int:
        """The count of a page that nobody uses. Tails of compound pages have none."""
        if page.ram or page.head.value is not page:
            return 0
        return 1 if page is self.kernel.zero_folio else self.kernel.dax.idle_refcount()

    def ended(self, task: Task, call: Call, result: Result) -> None:
        for pfn, amount in self.in_flight.counts[task.index].items():
            if not amount or self.pages[pfn].freed:
                continue
            if amount < 0:
                self.fail("refcount-mismatch", f"{call} has dropped {-amount} references too many of page {pfn}")
            if amount > 0:
                self.fail("leak", f"{call} leaves {amount} references of page {pfn} behind that nobody holds")

    def at_rest(self) -> None:
        # Of a call that will never end, nobody can say what it still has to drop.
        if self.sim.stuck():
            return
        held = [0] * len(self.pages)
        pins = [0] * len(self.pages)
        for _, reference in self.sim.references():
            head = head_of(reference.page)
            held[head.pfn] += self.in_flight.weight(reference)
            pins[head.pfn] += bool(reference.flags & Foll.PIN) and not self.in_flight.small(head)
        for mm in self.kernel.mms if self.in_flight.ptes_hold else ():
            for pte in leaves(mm):
                if not pte.zero:
                    held[head_of(self.kernel.pages[pte.pfn]).pfn] += self.in_flight.entry_weight(pte)
        for page, references in self.in_flight.entry_references():
            held[page.pfn] += references
        for page in self.pages:
            if page.freed:
                continue
            left = page.refcount.value - self.idle_counts[page.pfn] - held[page.pfn]
            if left:
                raise Violation("leak", f"{left} references of page {page.pfn} are left that nobody holds")
            left = page.pincount.value - pins[page.pfn]
            if left:
                raise Violation("leak", f"{left} pins of page {page.pfn} are left that nobody holds")
        pgmap = self.kernel.pgmap
        if pgmap.ref.dying:
            # Its pages may be gone, and who removes it waits for what is left.
            return
        memremap = self.kernel.memremap
        mappings = [inode.i_mapping for inode in self.kernel.inodes.values()]
        entries = [entry for mapping in mappings for entry in mapping.i_pages.entries.values()]
        counts = [page.refcount.value for page in self.kernel.pages[: self.kernel.device_pages] if not page.freed]
        left = pgmap.ref.count - memremap.pgmap_references(entries, counts)
        if left:
            raise Violation("leak", f"{left} references of the page map are left that nobody holds")
