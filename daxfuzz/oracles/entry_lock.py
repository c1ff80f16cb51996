"""Who may store what in i_pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from daxfuzz.oracles.entry_owners import EntryOwners
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.page import Page
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task


class EntryLock(Oracle):
    """Entries change under xa_lock, and a locked entry only by the task that locked it, which unlocks it in the end.

    A memory failure is dealt with while the entry of the page is locked, or the page may be another file's by then; a
    character device has no entries. After what only this finds, the execution goes on.
    """

    kinds = ("entry-lock",)

    def attach(self) -> None:
        ghost = EntryOwners.of(self.sim)
        ghost.judges.append(self.stored)
        self.ghost = ghost
        self.owners = ghost.owners
        if not self.kernel.fs.char_device:
            for page in self.kernel.pages[: self.kernel.device_pages]:
                listen(page.hwpoison, "watch", self.failure_watcher(page))
        self.sim.on_end.append(self.ended)

    def stored(self, inode: Inode, index: int, old: Entry | None, new: Entry | None) -> None:
        me = self.world.current
        if inode.i_mapping.i_pages.lock.owner is not me:
            self.fail("entry-lock", f"{me.name} stores {inode.name}[{index}] without xa_lock")
        if old is not None and old.locked and self.owners.get((inode.number, index)) != me.index:
            self.fail("entry-lock", f"{me.name} overwrites {inode.name}[{index}], which another task has locked")

    def failure_watcher(self, page: Page) -> Callable[[bool, bool], None]:
        """Judges who marks a page as failed."""

        def marked(old: bool, new: bool) -> None:
            me = self.world.current
            if new and not self.ghost.locked_entries(me, page.pfn):
                message = f"{me.name} marks page {page.pfn} as failed, whose entry it has not locked"
                self.world.defer(Violation("entry-lock", message, tasks=(me.name,)))

        return marked

    def ended(self, task: Task, call: Call, result: Result) -> None:
        if self.owners:
            for (inode, index), owner in self.owners.items():
                if owner == task.index:
                    self.fail("entry-lock", f"{call} returns with entry {index} of inode {inode} locked")
