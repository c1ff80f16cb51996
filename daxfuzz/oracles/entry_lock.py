"""Who may store what in i_pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.oracles.entry_owners import EntryOwners
from daxfuzz.oracles.oracle import Oracle

if TYPE_CHECKING:
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task


class EntryLock(Oracle):
    """Entries change under xa_lock, and a locked entry only by the task that locked it, which unlocks it in the end."""

    kinds = ("entry-lock",)

    def attach(self) -> None:
        ghost = EntryOwners.of(self.sim)
        ghost.judges.append(self.stored)
        self.owners = ghost.owners
        self.sim.on_end.append(self.ended)

    def stored(self, inode: Inode, index: int, old: Entry | None, new: Entry | None) -> None:
        me = self.world.current
        if inode.i_mapping.i_pages.lock.owner is not me:
            self.fail("entry-lock", f"{me.name} stores {inode.name}[{index}] without xa_lock")
        if old is not None and old.locked and self.owners.get((inode.number, index)) != me.index:
            self.fail("entry-lock", f"{me.name} overwrites {inode.name}[{index}], which another task has locked")

    def ended(self, task: Task, call: Call, result: Result) -> None:
        if self.owners:
            for (inode, index), owner in self.owners.items():
                if owner == task.index:
                    self.fail("entry-lock", f"{call} returns with entry {index} of inode {inode} locked")
