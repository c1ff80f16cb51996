"""Blocks that are freed while something still leads to them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from daxfuzz.kernel.gup import Foll
from daxfuzz.oracles.lookup import translations
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.program.simulation import USER

if TYPE_CHECKING:
    from daxfuzz.kernel.block import Owner
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.program.simulation import Reference
    from daxfuzz.sim import Task


class FreedBlock(Oracle):
    """A free block has no reference, no page-table entry and no usable TLB copy that leads to it.

    References count from the return of the call that took them until the call that drops them; one that turns out
    to be for a block that its file no longer has was freed in between, if anybody has freed it during the call: a
    block that is copied on write leaves the file while others have it. A TLB copy can be used in user space: a task
    in a system call may flush its own before it returns, and is looked at then.

    The same goes for pages of memory.
    """

    kinds = ("freed-while-pinned", "freed-while-referenced", "freed-while-mapped", "stale-tlb")

    def attach(self) -> None:
        listen(self.kernel.allocator, "on_free", self.freed)
        listen(self.kernel.free_list, "on_free", self.freed)
        self.tlbs = self.kernel.tlbs
        self.sim.on_hold.append(self.held)
        self.sim.on_end.append(self.returned)

    def reset(self) -> None:
        self.frees: list[tuple[int, list[int]]] = []

    def memory(self) -> Hashable:
        # Whether a block was freed during a call is asked at its end.
        under_way = [task.operation for task in self.world.tasks]
        during = {
            (pfn, index)
            for pfn, calls in self.frees
            for index, call in enumerate(calls)
            if call >= 0 and call == under_way[index]
        }
        return tuple(sorted(during))

    def freed(self, pfn: int, owner: Owner | None = None) -> None:
        self.world.look("calls")
        self.frees.append((pfn, [task.operation for task in self.world.tasks]))
        for task, reference in self.sim.references():
            if reference.page.pfn == pfn:
                self.report(reference, task, pfn)
        for mm in self.kernel.mms:
            for _, pte in translations(mm):
                if pte.pfn == pfn and not pte.zero:
                    self.fail("freed-while-mapped", f"block {pfn} is freed while {mm.name} maps it")
            for tlb in mm.tlbs:
                if (tlb.entries or tlb.huge) and tlb.maps(pfn) and self.in_user_space(tlb.task):
                    self.fail("stale-tlb", f"block {pfn} is freed while {tlb.name} translates to it")

    def in_user_space(self, task: Task) -> bool:
        """Whether a task can use its translations: it accesses memory now, or is between two calls."""
        if task.operation < 0:
            return task.operation == USER
        return self.sim.program.tasks[task.name][task.operation].name in ("load", "store")

    def returned(self, task: Task, call: Call, result: Result) -> None:
        tlb = self.tlbs.get(task.index)
        if tlb is not None and (tlb.entries or tlb.huge or tlb.puds):
            for address, pte in tlb.translations():
                if not pte.zero and not self.belongs(pte.pfn, self.kernel.file_page(address)):
                    self.fail("stale-tlb", f"{call} returns while {task.name} still translates to block {pte.pfn}")

    def belongs(self, pfn: int, owner: Owner) -> bool:
        """Whether a block is still the file page's, or a page of memory still in use."""
        if pfn >= self.kernel.device_pages:
            return self.kernel.free_list.used[pfn - self.kernel.device_pages]
        return owner in self.kernel.allocator.table[pfn]

    def held(self, task: Task, reference: Reference) -> None:
        if reference.page is self.kernel.zero_folio:
            return
        pfn = reference.page.pfn
        if self.belongs(pfn, (reference.inode, reference.file_page)):
            return
        during = any(freed == pfn and calls[task.index] == task.operation for freed, calls in self.frees)
        if pfn >= self.kernel.device_pages or during:
            self.report(reference, task, pfn)

    def report(self, reference: Reference, task: Task, pfn: int) -> None:
        if reference.flags & Foll.PIN:
            self.fail("freed-while-pinned", f"block {pfn} is freed while {task.name} has it pinned (FOLL_PIN)")
        self.fail("freed-while-referenced", f"block {pfn} is freed while {task.name} has a reference (FOLL_GET)")
