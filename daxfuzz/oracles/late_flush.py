"""Translations that outlive the lock of the page table."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.kernel.mm import Pmd, Pte
from daxfuzz.oracles.lookup import mapped
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.sim import Cell, Lock, Task


class LateFlush(Oracle):
    """When a page-table lock is dropped, no processor has more rights than the entries that were changed under it.

    Unless a gather is at work, which flushes when it finishes (tlb_flush_pending tells everybody), or the entry has
    only become read-only while mmap_lock keeps everybody from faulting, as fork does. Others have flushed under the
    lock: ptep_clear_flush, pmdp_huge_clear_flush, pmdp_invalidate, move_ptes (v6.0 and v6.19). After what only this
    finds, the execution goes on.
    """

    kinds = ("late-flush",)

    def reset(self) -> None:
        self.changed: dict[Lock, list[range]] = {}

    def memory(self) -> Hashable:
        changed = [(lock.name, [(each.start, each.stop) for each in ranges]) for lock, ranges in self.changed.items()]
        return tuple(sorted((name, tuple(ranges)) for name, ranges in changed))

    def attach(self) -> None:
        for mm in self.kernel.mms:
            for address, slot in mm.slots.items():
                self.watch(slot, range(address, address + 1), mm.ptl(address))
            for pmd_number, pmd in mm.pmds.items():
                self.watch(pmd, mm.pmd_addresses(pmd_number * mm.pmd_pages), mm.pmd_lock)
            for pud_number, pud in mm.puds.items():
                self.watch(pud, mm.pud_addresses(pud_number * mm.pud_pages), mm.pud_lock)
            locks: list[Lock] = [*mm.ptls.values(), mm.pmd_lock]
            if mm.puds:
                locks.append(mm.pud_lock)
            for lock in locks:
                listen(lock, "on_release", self.release_watcher(mm))

    def watch(self, cell: Cell[Pte | None] | Cell[Pmd], addresses: range, lock: Lock) -> None:
        """Note where an entry permits less than before."""

        def stored(old: Pmd, new: Pmd) -> None:
            if isinstance(old, Pte) and not permits(new, old):
                self.changed.setdefault(lock, []).append(addresses)

        listen(cell, "watch", stored)

    def release_watcher(self, mm: Mm) -> Callable[[Lock, Task], None]:
        """Judges what was changed under a lock."""

        def released(lock: Lock, task: Task) -> None:
            changed = self.changed.pop(lock, None) if self.changed else None
            if changed is not None and not mm.tlb_flush_pending.value:
                for addresses in changed:
                    self.judge(mm, addresses, task)

        return released

    def judge(self, mm: Mm, addresses: range, task: Task) -> None:
        """Compare what processors have for addresses with what the page table has."""
        faults_wait = mm.mmap_lock.written_by(task)
        for address in addresses:
            pte = mapped(mm, address) if address in mm.slots else None
            for tlb in mm.tlbs:
                copy = tlb.lookup(address)
                if copy is None or permits(pte, copy._replace(write=False) if faults_wait else copy):
                    continue
                message = f"{task.name} drops the lock of {pte}, for which {tlb.name} has {copy}"
                self.world.defer(Violation("late-flush", message, tasks=(task.name,)))
                return


def permits(entry: Pmd, other: Pte) -> bool:
    """Whether an entry leads to the same page as another one, and permits as much."""
    if not isinstance(entry, Pte):
        return False
    return entry.pfn == other.pfn and entry.zero == other.zero and (entry.write or not other.write)
