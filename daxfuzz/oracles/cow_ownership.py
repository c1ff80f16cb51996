"""Pinned private pages that copy-on-write takes away."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.mm import VMA_PAGES, Mm, Pte
from daxfuzz.oracles.lookup import mapped
from daxfuzz.oracles.oracle import Oracle, listen

if TYPE_CHECKING:
    from daxfuzz.program.simulation import Reference
    from daxfuzz.sim import Task


class CowOwnership(Oracle):
    """A private page that a process has pinned stays what it has mapped, until it unmaps it: no fault puts a copy in
    its place, and no other process maps it.

    A pin that a call returns after the page has been replaced is the same: the device would work on what is nobody's
    memory any more.
    """

    kinds = ("cow-ownership",)

    def attach(self) -> None:
        if not self.kernel.free_list.used:
            return
        for mm in self.kernel.mms:
            for address, slot in mm.slots.items():
                listen(slot, "watch", self.watcher(mm, address))
        self.sim.on_hold.append(self.held)

    def reset(self) -> None:
        self.cleared: dict[tuple[int, int], tuple[int, int, int]] = {}

    def memory(self) -> Hashable:
        # Of a call that is over nobody asks again.
        under_way = [task.operation for task in self.world.tasks]
        return tuple(sorted(each for each in self.cleared.items() if under_way[each[1][1]] == each[1][2]))

    def watcher(self, mm: Mm, address: int) -> Callable[[Pte | None, Pte | None], None]:
        """A fault clears an entry and sets the new one in the same call; other clears are somebody's unmapping."""
        key = (mm.index, address)

        def stored(old: Pte | None, new: Pte | None) -> None:
            task = self.world.current
            if new is None:
                if old is not None and self.kernel.is_ram(old):
                    self.cleared[key] = (old.pfn, task.index, task.operation)
                return
            before = self.cleared.pop(key, None)
            if before is not None and before[1:] == (task.index, task.operation) and before[0] != new.pfn:
                self.replaced(mm, address, before[0])

        return stored

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
