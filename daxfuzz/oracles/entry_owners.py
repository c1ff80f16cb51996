"""Ghost state: which task has locked which entry."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.ghost import Ghost
from daxfuzz.oracles.oracle import listen

if TYPE_CHECKING:
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task


class EntryOwners(Ghost):
    """Follows the stores to i_pages.

    owners: (inode number, index) of each locked entry, with the index of the task that stored it so.
    judges: called with (inode, index, old, new) at each store, before `owners` follows it.
    """

    def __init__(self, sim: Simulation) -> None:
        super().__init__(sim)
        self.owners: dict[tuple[int, int], int] = {}
        self.judges: list[Callable[[Inode, int, Entry | None, Entry | None], None]] = []
        sim.world.on_reset.append(self.owners.clear)
        sim.world.memories[type(self).__name__] = self.memory
        for inode in sim.kernel.inodes.values():
            listen(inode.i_mapping.i_pages, "watch", self.watcher(inode))

    def memory(self) -> Hashable:
        return tuple(sorted(self.owners.items()))

    def watcher(self, inode: Inode) -> Callable[[int, Entry | None, Entry | None], None]:
        def stored(index: int, old: Entry | None, new: Entry | None) -> None:
            for judge in self.judges:
                judge(inode, index, old, new)
            if new is not None and new.locked:
                self.owners[inode.number, index] = self.world.current.index
            else:
                self.owners.pop((inode.number, index), None)

        return stored

    def locked_entries(self, task: Task, pfn: int) -> dict[int, Entry]:
        """The entries for a page that a task has locked, by the number of the inode."""
        found = {}
        for (number, index), owner in self.owners.items():
            entry = self.kernel.inode_by_number(number).i_mapping.i_pages.entries[index]
            if owner == task.index and pfn in entry.pfns(self.kernel.machine):
                found[number] = entry
        return found
