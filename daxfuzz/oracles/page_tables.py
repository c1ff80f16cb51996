"""Page-table entries that are looked at, set or cleared against the rules."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from daxfuzz.kernel.mm import TABLE, Pmd, Pte
from daxfuzz.kernel.xarray import Mark
from daxfuzz.oracles.entry_owners import EntryOwners
from daxfuzz.oracles.in_flight import InFlight
from daxfuzz.oracles.lookup import mapped
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.program.simulation import UNBORN
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import AddressSpace, Inode
    from daxfuzz.kernel.mm import Mm, Vma
    from daxfuzz.kernel.page import Page
    from daxfuzz.sim import Lock, ObservedCell, SpinLock, Task

    Entry = ObservedCell[Any]
    """A page-table entry of any level."""


class Unflushed(NamedTuple):
    """Why an address has to be flushed: whether the entry was cleared, and whether that has to be before the VMA leaves
    the tree of its file."""

    cleared: bool
    first: bool


class PageTables(Oracle):
    """What Documentation/mm/process_addrs and the comments of mm/ ask of whoever works on page tables.

    Walk: who looks at an entry holds mmap_lock, i_mmap_rwsem of the file or the lock of the entry, or has interrupts
    off; else the table may go meanwhile. There is a table then, or data of the file would be taken for one.
    Look: who sets or clears an entry has looked at it since it took the lock. Who holds mmap_lock exclusively knows
    that no fault fills it.
    Set: an entry takes the place of nothing, or of one for the same pages that loses no dirty bit by that. Else it is
    cleared, or made invalid, first. A table goes only when it is empty, and no VMA of the file's tree leads there.
    Flush: who has cleared an entry, or taken the right to write from it, flushes before the lock goes, or has a gather
    under way, which flushes before it ends; fork flushes before mmap_lock goes. A gather that finds an entry cleared,
    and not flushed by another one, flushes it, too (mm_tlb_flush_nested). When the VMA leaves the file's tree, while
    others run the mm, no entry of a device page is left to flush; where entries hold references, none that was dirty,
    but for those of a character device.
    Get: who takes a reference of a page, and has none, has found it under the lock of an entry, or with interrupts off;
    or holds the lock of its entry in i_pages, where faults take references for the page-table entries that they set.
    Clean: an entry of a file that is not DIRTY any more is not mapped for writing, nor translated so.
    At rest: whatever is mapped lies in a VMA, a table, too, no gather is under way, and nobody has a mm that all have
    left.

    What is wrong here may do no harm, so the execution goes on: what follows may be graver.
    """

    kinds = ("page-table",)
    TELLS: ClassVar[bool] = True

    def attach(self) -> None:
        self.files = list(self.kernel.inodes.values())
        self.mappings = [inode.i_mapping for inode in self.kernel.inodes.values()]
        self.entries: list[tuple[Mm, int, Entry]] = []
        # Per lock the entries that its owner has looked at.
        self.looked: dict[Lock, list[Entry]] = {}
        for mm in self.kernel.mms:
            for address, slot in mm.slots.items():
                self.watch(mm, address, 1, slot, mm.ptl(address))
            for number, pmd in mm.pmds.items():
                self.watch(mm, number * mm.pmd_pages, mm.pmd_pages, pmd, mm.pmd_lock)
            for number, pud in mm.puds.items():
                self.watch(mm, number * mm.pud_pages, mm.pud_pages, pud, mm.pud_lock)
            for lock in (*mm.ptls.values(), mm.pmd_lock, *([mm.pud_lock] if mm.puds else [])):
                listen(lock, "on_release", self.releaser(mm, lock), partial(self.here, lock))
            listen(mm.mmap_lock, "on_release", self.end_of_writer(mm), self.mine)
            listen(mm.tlb_flush_pending, "watch", self.gatherer(mm), self.mine)
            listen(mm, "on_flush", self.flusher(mm), lambda: self.tasks)
        in_flight = InFlight.of(self.sim)
        # Where page-table entries hold references of a file's pages, faults take these under the lock of its entry.
        owners = None
        if self.kernel.memory.pte_references() and not self.kernel.fs.char_device:
            owners = EntryOwners.of(self.sim)
        for page in self.kernel.pages:
            if owners is not None and page.pfn < self.kernel.device_pages:
                listen(page.refcount, "watch", self.counter(page, in_flight, owners), self.owned)
            else:
                listen(page.refcount, "watch", self.counter(page, in_flight), self.mine)
        for inode in self.kernel.inodes.values():
            listen(inode.i_mapping.i_pages, "watch_marks", self.marker(inode), partial(self.cleaning, inode))
            listen(inode.i_mapping.i_mmap, "watch", self.unlinked, self.mine)
        self.world.on_end.append(self.at_rest)
        self.remember()

    def remember(self) -> None:
        """What matters later, in parts: per task, per lock, and per file."""
        memories = self.world.memories
        self.tasks = [f"page tables of {task.name}" for task in self.world.tasks]
        for task, name in enumerate(self.tasks):
            memories[name] = partial(self.left_by, task)
        for lock in self.looked:
            memories[looked_under(lock)] = partial(self.looked_at, lock)
        for inode in self.files:
            memories[dirty_pages(inode)] = partial(self.dirty_in, inode)

    def left_by(self, task: int) -> Hashable:
        """What a task has begun and not ended, and what was reported of it."""
        gathers = tuple(sorted(each for each in self.gathers[task].items() if each[1]))
        return (
            tuple(sorted(self.unflushed[task].items())),
            tuple(self.nested[task]),
            gathers,
            tuple(self.reported[task]),
        )

    def looked_at(self, lock: Lock) -> Hashable:
        """The entries at which the owner of a lock has looked."""
        return tuple([cell.name for cell in self.looked[lock]])

    def dirty_in(self, inode: Inode) -> Hashable:
        """The pages of a file that were dirty."""
        return self.dirty[inode.number]

    def mine(self) -> Iterable[str]:
        """Looks at what the current task has left."""
        return (self.tasks[self.world.current.index],)

    def owned(self) -> Iterable[str]:
        """Looks at who has locked which entry, too."""
        return (EntryOwners.__name__, *self.mine())

    def here(self, lock: Lock) -> Iterable[str]:
        """Looks at what was done under a lock, too; and with a gather under way, at what others have cleared."""
        gathers = any(self.gathers[self.world.current.index].values())
        return (looked_under(lock), *(self.tasks if gathers else self.mine()))

    def cleaning(self, inode: Inode) -> Iterable[str]:
        """Looks at what all tasks have left, if a page of a file is not dirty any more."""
        fewer = len(inode.i_mapping.i_pages.marks[Mark.DIRTY]) < len(self.dirty[inode.number])
        return (dirty_pages(inode), *(self.tasks if fewer else self.mine()))

    def reset(self) -> None:
        for looked in self.looked.values():
            looked.clear()
        # Per task what it has to flush.
        self.unflushed: list[dict[tuple[int, int], Unflushed]] = [{} for _ in self.world.tasks]
        # Per task what it has found cleared by others.
        self.nested: list[list[tuple[int, int]]] = [[] for _ in self.world.tasks]
        # Per task how many gathers it has under way, by the index of the mm.
        self.gathers: list[dict[int, int]] = [{} for _ in self.world.tasks]
        self.dirty = {inode.number: tuple(inode.i_mapping.i_pages.marks[Mark.DIRTY]) for inode in self.files}
        # Per task the rules that it has broken.
        self.reported: list[list[str]] = [[] for _ in self.world.tasks]

    def watch(self, mm: Mm, address: int, pages: int, cell: Entry, lock: SpinLock) -> None:
        """Follow one entry. address, pages: what it maps."""
        mapping = self.mappings[self.kernel.file_page(address)[0]]
        addresses = range(address, address + pages)
        self.entries.append((mm, address, cell))
        tells = partial(self.here, lock)
        listen(cell, "watch_read", self.looker(mm, mapping, addresses, cell, lock), tells)
        listen(cell, "watch", self.setter(mm, mapping, addresses, cell, lock), tells)

    def looker(
        self, mm: Mm, mapping: AddressSpace, addresses: range, cell: Entry, lock: SpinLock
    ) -> Callable[[], None]:
        world = self.world
        seen = self.looked.setdefault(lock, [])
        rmap = mapping.i_mmap_rwsem
        above = mm.pmd(addresses.start) if len(addresses) == 1 else None

        def looked() -> None:
            task = world.current
            if above is not None and above.value is not TABLE and not task.irq_depth:
                self.warn("table", f"looks at {cell.name}, where there is no table")
            if lock.owner is task:
                seen.append(cell)
                if cell.value is None and self.gathers[task.index].get(mm.index):
                    self.found_none(mm, addresses, task)
            elif not task.irq_depth and mm.mmap_lock not in task.held and rmap not in task.held:
                self.warn("walk", f"looks at {cell.name} with nothing that keeps the table")

        return looked

    def setter(
        self, mm: Mm, mapping: AddressSpace, addresses: range, cell: Entry, lock: SpinLock
    ) -> Callable[[Pmd, Pmd], None]:
        looked = self.looked.setdefault(lock, [])

        def stored(old: Pmd, new: Pmd) -> None:
            task = self.world.current
            if lock.owner is task and cell not in looked:
                if old != new and not mm.mmap_lock.written_by(task):
                    self.warn("look", f"stores {cell.name} without a look since it took {lock.name}")
                looked.append(cell)
            if old is TABLE:
                if new is TABLE:
                    self.warn("set", f"puts a table over another one in {cell.name}")
                    return
                self.table_goes(mm, mapping, addresses, cell, new)
            elif isinstance(old, Pte) and not old.invalid:
                self.replaced(cell, old, new)
                if not isinstance(new, Pte) or new.invalid or new.write < old.write:
                    cleared = not isinstance(new, Pte) or new.invalid
                    left = Unflushed(cleared, self.matters(old))
                    self.unflushed[task.index].update(((mm.index, each), left) for each in addresses)

        return stored

    def matters(self, old: Pte) -> bool:
        """Whether a translation may do harm when the VMA is not in the file's tree any more."""
        if old.zero or self.kernel.is_ram(old):
            return False
        if not self.kernel.memory.pte_references():
            return True
        # The gather holds the page then, and fsync, which character devices do not have, misses who may write to it.
        return old.dirty and not self.kernel.fs.char_device

    def replaced(self, cell: Entry, old: Pte, new: Pmd) -> None:
        """An entry that processors may use is set anew."""
        if new is TABLE:
            self.warn("set", f"puts a table over {old} in {cell.name}")
        elif isinstance(new, Pte) and ((new.pfn, new.zero) != (old.pfn, old.zero) or new.dirty < old.dirty):
            self.warn("set", f"puts {new} over {old} in {cell.name}")

    def table_goes(self, mm: Mm, mapping: AddressSpace, addresses: range, cell: Entry, new: Pmd) -> None:
        """Something is stored in the place of a table."""
        if new is not None:
            self.warn("set", f"puts {new} over a table in {cell.name}")
        elif any(address in mm.slots and mm.slots[address].value is not None for address in addresses):
            self.warn("set", f"takes a table with entries from {cell.name}")
        elif any(vma.mm is mm and vma.start <= addresses.start < vma.end for vma in mapping.i_mmap.value):
            self.warn("set", f"takes a table from {cell.name}, to which a VMA leads")

    def releaser(self, mm: Mm, own: Lock) -> Callable[[Lock, Task], None]:
        looked = self.looked.setdefault(own, [])

        def released(lock: Lock, task: Task) -> None:
            if looked:
                looked.clear()
            if self.unflushed[task.index] and not self.gathers[task.index].get(mm.index):
                forking = mm.mmap_lock.written_by(task)
                if any(each.cleared or not forking for each in self.left(mm, task).values()):
                    self.warn("flush", f"gives {lock.name} up before it has flushed")

        return released

    def end_of_writer(self, mm: Mm) -> Callable[[Lock, Task], None]:
        def released(lock: Lock, task: Task) -> None:
            if self.unflushed[task.index] and self.left(mm, task):
                self.warn("flush", f"gives {lock.name} up before it has flushed")

        return released

    def gatherer(self, mm: Mm) -> Callable[[int, int], None]:
        def changed(old: int, new: int) -> None:
            task = self.world.current
            gathers = self.gathers[task.index]
            gathers[mm.index] = gathers.get(mm.index, 0) + new - old
            if gathers[mm.index] < 0:
                self.warn("gather", f"ends a gather of {mm.name} that it has not begun")
            if new >= old:
                return
            if self.left(mm, task):
                self.warn("flush", f"ends a gather of {mm.name} before it has flushed")
            if self.nested[task.index]:
                self.warn("nested", f"ends a gather of {mm.name} before what it has found cleared is flushed")
                self.nested[task.index].clear()

        return changed

    def flusher(self, mm: Mm) -> Callable[[Sequence[int]], None]:
        def flushed(addresses: Sequence[int]) -> None:
            for unflushed in self.unflushed:
                if unflushed:
                    for address in addresses:
                        unflushed.pop((mm.index, address), None)
            for nested in self.nested:
                if nested:
                    nested[:] = [each for each in nested if each[0] != mm.index or each[1] not in addresses]

        return flushed

    def left(self, mm: Mm, task: Task) -> dict[tuple[int, int], Unflushed]:
        """What a task still has to flush of a mm."""
        return {key: each for key, each in self.unflushed[task.index].items() if key[0] == mm.index}

    def found_none(self, mm: Mm, addresses: range, task: Task) -> None:
        """A gather looks at an entry and finds none."""
        for other in self.unflushed:
            if other and other is not self.unflushed[task.index]:
                self.nested[task.index] += [(mm.index, each) for each in addresses if (mm.index, each) in other]

    def unlinked(self, old: tuple[Vma, ...], new: tuple[Vma, ...]) -> None:
        """A VMA leaves the tree of its file."""
        task = self.world.current
        for vma in old if self.unflushed[task.index] and len(new) < len(old) else ():
            if vma in new or not self.others_run(vma.mm):
                continue
            left = self.left(vma.mm, task)
            if any(each.first and vma.start <= address < vma.end for (_, address), each in left.items()):
                self.warn("unlink", f"takes {vma} from the file's tree before it has flushed")

    def others_run(self, mm: Mm) -> bool:
        """Whether another task than the current one may use translations of a mm."""
        others = [task for task in mm.tasks if task is not self.world.current and task.operation != UNBORN]
        return any(task.point is not None for task in others)

    def counter(self, page: Page, in_flight: InFlight, owners: EntryOwners | None = None) -> Callable[[int, int], None]:
        """Judges who takes references. owners: where faults take them of pages that have none yet."""

        def changed(old: int, new: int) -> None:
            task = self.world.current
            if new <= old or task.atomic or task.irq_depth:
                return
            if not old if owners is None else owners.locked_entries(task, page.pfn):
                return
            # The change itself is counted already.
            if in_flight.counts[task.index].get(page.pfn, 0) <= new - old:
                self.warn("get", f"takes a reference of page {page.pfn}, of which it has none, with no lock")

        return changed

    def marker(self, inode: Inode) -> Callable[[bool], None]:
        i_pages = inode.i_mapping.i_pages

        def marked(single: bool) -> None:
            dirty = i_pages.marks[Mark.DIRTY]
            before = self.dirty[inode.number]
            if len(dirty) < len(before):
                for index in before:
                    entry = None if index in dirty else i_pages.entries.get(index)
                    if entry is not None and entry.real:
                        for page in range(index, min(index + entry.size(self.kernel.machine), len(inode.extents))):
                            self.look_for_writers(inode, page)
            self.dirty[inode.number] = tuple(dirty)

        return marked

    def look_for_writers(self, inode: Inode, index: int) -> None:
        """A page of a file is clean."""
        for mm in self.kernel.mms:
            for address in self.kernel.addresses(inode.number, index):
                # Who has to flush does so before it returns to user space.
                used = [tlb for tlb in mm.tlbs if (mm.index, address) not in self.unflushed[tlb.task.index]]
                found = [mapped(mm, address), *(tlb.lookup(address) for tlb in used)]
                for pte in found:
                    if pte is not None and pte.write and not pte.zero and not self.kernel.is_ram(pte):
                        self.warn("clean", f"leaves {inode.name}[{index}] clean, which {mm.name} maps for writing")

    def at_rest(self) -> None:
        if self.sim.stuck():
            return
        for mm in self.kernel.mms:
            if mm.tlb_flush_pending.value:
                raise Violation("page-table", f"{mm.tlb_flush_pending.value} gathers of {mm.name} never end")
            if not mm.mm_users.value and mm.tasks and mm.vmas.value:
                raise Violation("page-table", f"{mm.name} has VMAs, and nobody uses it")
        for mm, address, cell in self.entries:
            # Neither has changed since everything was well.
            if cell.clean and mm.vmas.clean:
                continue
            if cell.value is not None and not any(vma.start <= address < vma.end for vma in mm.vmas.value):
                raise Violation("page-table", f"{cell.name} is {cell.value}, where {mm.name} has no VMA")

    def warn(self, rule: str, message: str) -> None:
        """Report each rule once for each task."""
        task = self.world.current
        if rule not in self.reported[task.index]:
            self.reported[task.index].append(rule)
            self.world.defer(Violation("page-table", f"{task.name} {message}", channel=rule, tasks=(task.name,)))


def looked_under(lock: Lock) -> str:
    """Name of what was looked at under a lock."""
    return f"looked at under {lock.name}"


def dirty_pages(inode: Inode) -> str:
    """Name of what was dirty in a file."""
    return f"dirty pages of {inode.name}"
