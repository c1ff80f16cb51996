"""Ghost state: references that calls under way have taken and nobody holds yet, or no longer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.mm import Pte
from daxfuzz.oracles.ghost import Ghost
from daxfuzz.oracles.lookup import head_of
from daxfuzz.oracles.oracle import listen

if TYPE_CHECKING:
    from daxfuzz.kernel.mm import Pmd
    from daxfuzz.kernel.page import Page
    from daxfuzz.program.simulation import Reference, Simulation
    from daxfuzz.sim import Task


class InFlight(Ghost):
    """Follows the reference counts.

    counts: per task what its call has added, by pfn, less what was given to registers, pipes, devices, page-table
    entries and entries of files.
    judges: called with (pfn, old, new) at each change of a count, before `counts` follows it.
    """

    def __init__(self, sim: Simulation) -> None:
        super().__init__(sim)
        self.per_pte = self.kernel.memory.pte_references()
        self.counts: list[dict[int, int]] = [{} for _ in self.world.tasks]
        self.judges: list[Callable[[int, int, int], None]] = []
        for page in (*self.kernel.pages, self.kernel.zero_folio):
            listen(page.refcount, "watch", self.watcher(page.pfn))
        # Entries that map pages of memory hold them in every protocol.
        self.ptes_hold = bool(self.per_pte or self.kernel.free_list.used)
        if self.ptes_hold:
            for mm in self.kernel.mms:
                for slot in mm.slots.values():
                    listen(slot, "watch", self.remapped)
                for pmd in mm.pmds.values():
                    listen(pmd, "watch", self.remapped)
                for pud in mm.puds.values():
                    listen(pud, "watch", self.remapped)
        # An entry that is locked or in use in other ways holds no more than a plain one.
        self.entries_hold = bool(self.kernel.dax.entry_references(Entry(0)))
        if self.entries_hold:
            for inode in self.kernel.inodes.values():
                listen(inode.i_mapping.i_pages, "watch", self.replaced)
        sim.on_hold.append(self.held)
        sim.on_drop.append(self.dropped)
        self.world.on_reset.append(self.reset)
        self.world.own_memories |= {
            f"in flight {task.index}": partial(self.memory, task.index) for task in self.world.tasks
        }

    def reset(self) -> None:
        self.counts = [{} for _ in self.world.tasks]

    def memory(self, task: int) -> Hashable:
        """What the call of a task has added, as data."""
        return tuple(sorted([each for each in self.counts[task].items() if each[1]]))

    def watcher(self, pfn: int) -> Callable[[int, int], None]:
        def changed(old: int, new: int) -> None:
            for judge in self.judges:
                judge(pfn, old, new)
            mine = self.counts[self.world.current.index]
            mine[pfn] = mine.get(pfn, 0) + new - old

        return changed

    def remapped(self, old: Pmd, new: Pmd) -> None:
        """A page-table entry takes over the references of the call that sets it, and leaves them to who clears it."""
        task = self.world.current
        if isinstance(old, Pte) and not old.zero:
            self.account(task, head_of(self.kernel.pages[old.pfn]), self.entry_weight(old))
        if isinstance(new, Pte) and not new.zero:
            self.account(task, head_of(self.kernel.pages[new.pfn]), -self.entry_weight(new))

    def replaced(self, index: int, old: Entry | None, new: Entry | None) -> None:
        """So does an entry of a file."""
        task = self.world.current
        for entry, sign in ((old, 1), (new, -1)):
            references = 0 if entry is None else self.kernel.dax.entry_references(entry)
            if entry is not None and references:
                for page in self.folios(entry):
                    self.account(task, page, sign * references)

    def folios(self, entry: Entry) -> list[Page]:
        """The heads of what an entry of a file stands for, each once."""
        heads = [head_of(self.kernel.pages[pfn]) for pfn in entry.pfns(self.kernel.machine)]
        return list({head.pfn: head for head in heads}.values())

    def entry_references(self) -> Iterator[tuple[Page, int]]:
        """Pages that entries of files hold, and with how many references."""
        if not self.entries_hold:
            return
        for inode in self.kernel.inodes.values():
            for entry in inode.i_mapping.i_pages.entries.values():
                for page in self.folios(entry):
                    yield page, self.kernel.dax.entry_references(entry)

    def entry_weight(self, pte: Pte) -> int:
        """How much an entry adds to the count of the page that it maps."""
        return 1 if self.kernel.is_ram(pte) else self.per_pte

    def weight(self, reference: Reference) -> int:
        """How much a reference adds to the count of its folio; pins of a large one are counted on their own, too."""
        pin = reference.flags & Foll.PIN and self.small(head_of(reference.page))
        return self.kernel.machine.bias if pin else 1

    def small(self, folio: Page) -> bool:
        """Whether pins of a folio are counted with its references."""
        return folio.freed or (not folio.large and folio.order.value == 1)

    def held(self, task: Task, reference: Reference) -> None:
        self.account(task, head_of(reference.page), -self.weight(reference))

    def dropped(self, task: Task, reference: Reference) -> None:
        self.account(task, head_of(reference.page), self.weight(reference))

    def account(self, task: Task, page: Page, amount: int) -> None:
        mine = self.counts[task.index]
        mine[page.pfn] = mine.get(page.pfn, 0) + amount

    def holders(self, page: Page) -> tuple[int, ...]:
        """Tasks whose calls have references of a page to drop."""
        return tuple(index for index, mine in enumerate(self.counts) if mine.get(page.pfn, 0) > 0)
