"""Who may store what in i_pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle, listen

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
        for inode in self.kernel.inodes.values():
            listen(inode.i_mapping.i_pages, "watch", self.watcher(inode))
        self.sim.on_end.append(self.ended)

    def reset(self) -> None:
        self.owners: dict[tuple[int, int], int] = {}

    def watcher(self, inode: Inode) -> Callable[[int, Entry | None, Entry | None], None]:
        lock = inode.i_mapping.i_pages.lock

        def stored(index: int, old: Entry | None, new: Entry | None) -> None:
            me = self.world.current
            if lock.owner is not me:
                self.fail("entry-lock", f"{me.name} stores {inode.name}[{index}] without xa_lock")
            slot = (inode.number, index)
            owner = self.owners.get(slot)
            if old is not None and old.locked and owner != me.index:
                self.fail("entry-lock", f"{me.name} overwrites {inode.name}[{index}], which another task has locked")
            if new is not None and new.locked:
                self.owners[slot] = me.index
            else:
                self.owners.pop(slot, None)

        return stored

    def ended(self, task: Task, call: Call, result: Result) -> None:
        for (inode, index), owner in self.owners.items():
            if owner == task.index:
                self.fail("entry-lock", f"{call} returns with entry {index} of inode {inode} locked")
