"""Page-table entries that disagree with the file."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.kernel.inode import mapped_block
from daxfuzz.kernel.mm import Mm, Pmd, Pte
from daxfuzz.oracles.lookup import entry_at, mapped, translations
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.block import Owner
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task


INVALIDATES = ("write", "pwrite")
"""Calls that delete entries before they unmap them."""


class StalePte(Oracle):
    """A page-table entry maps the page of the entry in i_pages, and, at rest, the block of the extent map.

    invalidate_inode_pages2_range deletes clean entries first and unmaps then: until the write(2) that calls it returns.
    A writable one maps a block that no other file page has.

    Private copies are no pages of the file, and nothing is asked of them.
    """

    kinds = ("stale-pte",)

    def attach(self) -> None:
        self.inodes = list(self.kernel.inodes.values())
        for mm in self.kernel.mms:
            for address, slot in mm.slots.items():
                listen(slot, "watch", self.slot_watcher(address))
            for number, pmd in mm.pmds.items():
                listen(pmd, "watch", self.pmd_watcher(number * mm.pmd_pages, mm.pmd_pages))
        for inode in self.inodes:
            listen(inode.i_mapping.i_pages, "watch", self.entry_watcher(inode))
        self.sim.on_end.append(self.returned, INVALIDATES)
        listen(self.kernel.allocator, "on_share", self.shared)
        self.world.on_end.append(self.at_rest)

    def reset(self) -> None:
        self.invalidated: list[tuple[int, Inode, int]] = []

    def memory(self) -> Hashable:
        return tuple(sorted((task, inode.number, index) for task, inode, index in self.invalidated))

    def slot_watcher(self, address: int) -> Callable[[Pte | None, Pte | None], None]:
        number, index = self.kernel.file_page(address)
        inode = self.inodes[number]

        def stored(old: Pte | None, new: Pte | None) -> None:
            if new is not None and not new.zero and not self.kernel.is_ram(new):
                self.compare_entry(inode, index, new)

        return stored

    def pmd_watcher(self, address: int, pages: int) -> Callable[[Pmd, Pmd], None]:
        number, index = self.kernel.file_page(address)
        inode = self.inodes[number]

        def stored(old: Pmd, new: Pmd) -> None:
            if isinstance(new, Pte) and not new.zero:
                for offset in range(pages):
                    self.compare_entry(inode, index + offset, new.sub(offset))

        return stored

    def compare_entry(self, inode: Inode, index: int, pte: Pte) -> None:
        """What is mapped from now on against i_pages, and against the other owners of the block.

        A character device has no entries.
        """
        if self.kernel.fs.char_device:
            return
        if pte.write and len(self.kernel.allocator.table[pte.pfn]) > 1:
            self.fail("stale-pte", f"page {pte.pfn} is mapped writable at {inode.name}[{index}], but is shared")
        head, entry = entry_at(inode.i_mapping.i_pages, index) or (index, None)
        if entry is None or not entry.real or entry.pfn + index - head != pte.pfn:
            self.fail("stale-pte", f"page {pte.pfn} is mapped at {inode.name}[{index}], whose entry is {entry}")

    def shared(self, pfn: int, owner: Owner) -> None:
        for mm in self.kernel.mms:
            for _, pte in translations(mm):
                if pte.pfn == pfn and pte.write and not pte.zero:
                    self.fail("stale-pte", f"block {pfn} is shared while {mm.name} maps it writable")

    def entry_watcher(self, inode: Inode) -> Callable[[int, Entry | None, Entry | None], None]:
        def stored(index: int, old: Entry | None, new: Entry | None) -> None:
            if new is not None or old is None or not old.real:
                return
            task = self.world.current
            if self.sim.program.tasks[task.name][task.operation].name in INVALIDATES:
                self.invalidated.append((task.index, inode, index))
                return
            for mm in self.kernel.mms:
                for each in range(index, min(index + old.size(self.kernel.machine), len(inode.extents))):
                    self.deleted(mm, inode, each)

        return stored

    def deleted(self, mm: Mm, inode: Inode, index: int) -> None:
        """An entry goes: nothing maps its page."""
        for address in self.kernel.addresses(inode.number, index):
            pte = mapped(mm, address)
            if pte is not None and not pte.zero and not self.kernel.is_ram(pte):
                self.fail("stale-pte", f"{inode.name}[{index}] is deleted while {mm.name} maps page {pte.pfn}")

    def returned(self, task: Task, call: Call, result: Result) -> None:
        if not self.invalidated:
            return
        for index, inode, page in self.invalidated:
            if index != task.index:
                continue
            for mm in self.kernel.mms:
                for address in self.kernel.addresses(inode.number, page):
                    pte = mapped(mm, address)
                    if pte is not None and not pte.zero and not self.kernel.is_ram(pte):
                        self.compare_entry(inode, page, pte)
        self.invalidated = [each for each in self.invalidated if each[0] != task.index]

    def at_rest(self) -> None:
        if self.sim.stuck():
            return
        for mm in self.kernel.mms:
            for address, pte in translations(mm):
                number, index = self.kernel.file_page(address)
                self.compare(mm, self.inodes[number], index, pte)

    def compare(self, mm: Mm, inode: Inode, index: int, pte: Pte) -> None:
        """One entry against the extent map, with nothing under way."""
        if self.kernel.is_ram(pte):
            return
        block = mapped_block(inode.extents[index].value)
        if (None if pte.zero else pte.pfn) != block:
            raise Violation("stale-pte", f"{mm.name} maps {pte!r} at {inode.name}[{index}], whose block is {block}")
