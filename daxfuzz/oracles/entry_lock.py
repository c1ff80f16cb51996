"""Who may store what in i_pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from daxfuzz.kernel.mm import Pte
from daxfuzz.oracles.entry_owners import EntryOwners
from daxfuzz.oracles.lookup import entry_at
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import AddressSpace, Inode
    from daxfuzz.kernel.mm import Mm, Pmd
    from daxfuzz.kernel.page import Page
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task


class EntryLock(Oracle):
    """Entries change under xa_lock, and a locked entry only by the task that locked it, which unlocks it in the end.

    A memory failure is dealt with while the entry of the page is locked, or the page may be another file's by then; a
    character device has no entries. So are those told who map a page of a file. A fault maps one, or makes it writable,
    while the entry for it is locked; who keeps mmap_lock exclusively moves or copies what is mapped. What is left empty
    is not dirty. After what only this finds, the execution goes on.
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
            listen(self.kernel, "on_kill", self.told)
            for mm in self.kernel.mms:
                for address, slot in mm.slots.items():
                    listen(slot, "watch", self.map_watcher(mm, address))
                for number, pmd in mm.pmds.items():
                    listen(pmd, "watch", self.map_watcher(mm, number * mm.pmd_pages))
        self.sim.on_end.append(self.ended)

    def stored(self, inode: Inode, index: int, old: Entry | None, new: Entry | None) -> None:
        me = self.world.current
        if inode.i_mapping.i_pages.lock.owner is not me:
            self.fail("entry-lock", f"{me.name} stores {inode.name}[{index}] without xa_lock")
        if old is not None and old.locked and self.owners.get((inode.number, index)) != me.index:
            self.fail("entry-lock", f"{me.name} overwrites {inode.name}[{index}], which another task has locked")
        if new is not None and new.empty and not new.locked:
            marks = inode.i_mapping.i_pages.marks
            if any(index in indices for indices in marks.values()):
                self.warn(f"{me.name} leaves {inode.name}[{index}] empty and dirty")

    def warn(self, message: str) -> None:
        """Report what may have done no harm yet."""
        self.world.defer(Violation("entry-lock", message, tasks=(self.world.current.name,)))

    def has_locked(self, task: Task, inode: Inode, page: int) -> bool:
        """Whether a task has locked the entry for a file page."""
        found = entry_at(inode.i_mapping.i_pages, page)
        return found is not None and self.owners.get((inode.number, found[0])) == task.index

    def told(self, mapping: AddressSpace, index: int, tasks: list[Task]) -> None:
        """Those who map a file page are told that it has failed, or goes."""
        me = self.world.current
        if not self.has_locked(me, mapping.host, index):
            self.warn(f"{me.name} deals with who maps {mapping.host.name}[{index}], whose entry it has not locked")

    def map_watcher(self, mm: Mm, address: int) -> Callable[[Pmd, Pmd], None]:
        """Judges who maps a page of a file, or lets it be written to, at an address."""
        number, page = self.kernel.file_page(address)
        inode = self.kernel.inode_by_number(number)

        def stored(old: Pmd, new: Pmd) -> None:
            if not isinstance(new, Pte) or new.zero or new.pfn >= self.kernel.device_pages:
                return
            me = self.world.current
            gains = not isinstance(old, Pte) or old.zero or old.pfn != new.pfn or new.write > old.write
            if gains and mm.mmap_lock.writer is not me and not self.has_locked(me, inode, page):
                self.warn(f"{me.name} maps {inode.name}[{page}], whose entry it has not locked")

        return stored

    def failure_watcher(self, page: Page) -> Callable[[bool, bool], None]:
        """Judges who marks a page as failed."""

        def marked(old: bool, new: bool) -> None:
            me = self.world.current
            if new and not self.ghost.locked_entries(me, page.pfn):
                self.warn(f"{me.name} marks page {page.pfn} as failed, whose entry it has not locked")

        return marked

    def ended(self, task: Task, call: Call, result: Result) -> None:
        if self.owners:
            for (inode, index), owner in self.owners.items():
                if owner == task.index:
                    self.fail("entry-lock", f"{call} returns with entry {index} of inode {inode} locked")
