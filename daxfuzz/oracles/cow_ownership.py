"""Pinned private pages that copy-on-write takes away."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.mm import VMA_PAGES, Mm, Pte
from daxfuzz.oracles.lookup import mapped
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.program.simulation import Reference
    from daxfuzz.sim import Lock, Task


class CowOwnership(Oracle):
    """A private page that a process has pinned stays what it has mapped, until it unmaps it: no fault puts a copy in
    its place, and no other process maps it.

    A pin that a call returns after the page has been replaced is the same: the device would work on what is nobody's
    memory any more. So that fork sees the pins of an mm, has_pinned is set before the first one is taken, and
    write_protect_seq is odd while it write-protects private pages, and even else.

    A private copy is only taken away by who unmaps it, and by what makes the file shorter or moves its contents; not by
    what unmaps pages of the file. Fork gives the child all that the parent has.
    """

    kinds = ("cow-ownership",)

    def attach(self) -> None:
        if not self.kernel.free_list.used:
            return
        for mm in self.kernel.mms:
            for address, slot in mm.slots.items():
                listen(slot, "watch", self.watcher(mm, address))
            listen(mm.mmap_lock, "on_release", self.copied)
        for page in self.kernel.pages[self.kernel.device_pages :]:
            listen(page.refcount, "watch", self.pinned)
            listen(page.anon_exclusive, "watch", self.free_watcher(page.pfn))
        self.sim.on_hold.append(self.held)
        self.sim.on_end.append(self.ended)
        self.world.on_end.append(self.at_rest)

    def reset(self) -> None:
        self.cleared: dict[tuple[int, int], tuple[int, int, int]] = {}
        self.missing: dict[int, list[int]] = {}

    def memory(self) -> Hashable:
        # Of a call that is over nobody asks again.
        under_way = [task.operation for task in self.world.tasks]
        cleared = tuple(sorted(each for each in self.cleared.items() if under_way[each[1][1]] == each[1][2]))
        return cleared, tuple(sorted((task, tuple(each)) for task, each in self.missing.items()))

    def watcher(self, mm: Mm, address: int) -> Callable[[Pte | None, Pte | None], None]:
        """A fault clears an entry and sets the new one in the same call; other clears are somebody's unmapping."""
        key = (mm.index, address)

        def stored(old: Pte | None, new: Pte | None) -> None:
            task = self.world.current
            if old is not None and new is not None and old.write > new.write and self.kernel.is_ram(old):
                self.protected(mm, task)
            if new is None:
                if old is not None and self.kernel.is_ram(old):
                    self.cleared[key] = (old.pfn, task.index, task.operation)
                return
            before = self.cleared.pop(key, None)
            if before is not None and before[1:] == (task.index, task.operation) and before[0] != new.pfn:
                self.replaced(mm, address, before[0])

        return stored

    def protected(self, mm: Mm, task: Task) -> None:
        """Fork takes the right to write to a private page."""
        if mm.mmap_lock.written_by(task) and not mm.write_protect_seq.value & 1:
            self.warn(f"{task.name} write-protects pages of {mm.name}, but write_protect_seq is even")

    def pinned(self, old: int, new: int) -> None:
        """The count of a page of memory changes."""
        mm = self.kernel.mm_of.get(self.world.current.index)
        if mm is not None and old and new - old >= self.kernel.machine.bias - 1 > 1 and not mm.has_pinned.value:
            self.warn(f"{self.world.current.name} pins a private page, and fork would not see it")

    def free_watcher(self, pfn: int) -> Callable[[bool, bool], None]:
        used, number = self.kernel.free_list, pfn - self.kernel.device_pages

        def changed(old: bool, new: bool) -> None:
            if not used.used[number]:
                self.warn(f"{self.world.current.name} says who has page {pfn}, which is free")

        return changed

    def copied(self, lock: Lock, task: Task) -> None:
        """Fork lets the child go, with all locks of the parent held, so that nothing but zaps has come between."""
        child = next(mm for mm in self.kernel.mms if mm.mmap_lock is lock)
        parent = self.kernel.mm_of[task.index]
        if child is parent or not parent.mmap_lock.written_by(task):
            return
        self.missing[task.index] = [
            address
            for address, slot in parent.slots.items()
            if slot.value is not None and self.kernel.is_ram(slot.value) and child.slots[address].value is None
        ]

    def ended(self, task: Task, call: Call, result: Result) -> None:
        missing = self.missing.pop(task.index, None)
        if missing and call.name == "fork" and result == 0:
            self.warn(f"{call} leaves out what {task.name} has in private pages at {missing}")
        if not self.cleared or takes_copies(call):
            return
        for (mm, address), (pfn, index, operation) in self.cleared.items():
            if (index, operation) == (task.index, task.operation):
                name = self.kernel.mms[mm].name
                self.warn(f"{call} takes page {pfn}, a private copy, from {name} at {address}")

    def warn(self, message: str) -> None:
        """Report what has done no harm yet: the execution goes on."""
        self.world.defer(Violation("cow-ownership", message, tasks=(self.world.current.name,)))

    def at_rest(self) -> None:
        for mm in self.kernel.mms if not self.sim.stuck() else ():
            if mm.write_protect_seq.value & 1:
                raise Violation("cow-ownership", f"{mm.name} has an odd write_protect_seq, and nobody forks")

    def replaced(self, mm: Mm, address: int, pfn: int) -> None:
        """An entry maps something else now than the page of memory that it did."""
        for owner, reference in self.sim.references():
            if (
                reference.page.pfn == pfn
                and reference.flags & Foll.PIN
                and self.kernel.mm_of[owner.index] is mm
                and self.address(reference) == address
            ):
                self.lost(owner, reference)

    def address(self, reference: Reference) -> int:
        return reference.inode * VMA_PAGES + reference.file_page

    def held(self, task: Task, reference: Reference) -> None:
        """A pin is returned: the page is this process's alone."""
        if not reference.page.ram or not reference.flags & Foll.PIN:
            return
        mine = self.kernel.mm_of[task.index]
        for mm in self.kernel.mms:
            for address in mm.slots:
                pte = mapped(mm, address)
                if mm is not mine and pte is not None and pte.pfn == reference.page.pfn:
                    self.fail(
                        "cow-ownership",
                        f"{task.name} pins page {pte.pfn}, which {mm.name} maps, too",
                        tasks=(task.name,),
                    )

    def lost(self, owner: Task, reference: Reference) -> None:
        names = list(self.kernel.inodes)
        self.fail(
            "cow-ownership",
            f"a copy takes the place of page {reference.page.pfn}, which {owner.name} has pinned at "
            f"{names[reference.inode]}[{reference.file_page}]",
            tasks=(owner.name,),
        )


TAKES = ("exit", "fork", "mremap", "munmap", "open", "truncate")
"""Calls that may take private copies away, or move them, beside those that shift contents."""


def takes_copies(call: Call) -> bool:
    """Whether private copies may be gone after a call."""
    if call.name == "fallocate":
        return "COLLAPSE_RANGE" in call.arguments or "INSERT_RANGE" in call.arguments
    return call.name in TAKES or "MADV_DONTNEED" in call.arguments
