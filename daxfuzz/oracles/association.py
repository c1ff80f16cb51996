"""Agreement of pages and entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from daxfuzz.kernel.inode import block_of
from daxfuzz.oracles.lookup import entry_at
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import AddressSpace
    from daxfuzz.sim import Lock, Task


class Association(Oracle):
    """Whenever xa_lock is dropped, each real entry's page names that file page, and no page names another one.

    A page of a folio says so by its head.
    A character device has neither lock nor entries: when nothing is under way, its pages name their place in it.
    """

    kinds = ("association",)

    def attach(self) -> None:
        for inode in self.kernel.inodes.values():
            listen(inode.i_mapping.i_pages, "watch", self.touch)
            listen(inode.i_mapping.i_pages.lock, "on_release", self.checker(inode.i_mapping))
        if self.kernel.fs.char_device:
            self.world.on_end.append(self.at_rest)
        for page in self.kernel.pages[: self.kernel.device_pages]:
            listen(page.mapping, "watch", self.touch)
            listen(page.index, "watch", self.touch)

    def reset(self) -> None:
        self.touched = False

    def touch(self, *_: object) -> None:
        self.touched = True

    def checker(self, mapping: AddressSpace) -> Callable[[Lock, Task], None]:
        def dropped(lock: Lock, task: Task) -> None:
            if self.touched:
                self.touched = False
                self.check(mapping)

        return dropped

    def at_rest(self) -> None:
        if any(task.point is not None for task in self.world.tasks):
            return
        for inode in self.kernel.inodes.values():
            for index, extent in enumerate(inode.extents):
                page = self.kernel.pages[block_of(extent.value) or 0]
                if page.freed or page.mapping.value is None:
                    continue
                if (page.mapping.value, page.index.value) != (inode.i_mapping, index):
                    names = f"{page.mapping.value}[{page.index.value}]"
                    raise Violation("association", f"{inode.name}[{index}] is page {page.pfn}, which names {names}")

    def check(self, mapping: AddressSpace) -> None:
        entries = mapping.i_pages.entries
        for index, entry in entries.items():
            for offset, pfn in enumerate(entry.pfns(self.kernel.machine)):
                page = self.kernel.pages[pfn]
                if page.freed:
                    continue
                head = page.head.value
                named = head.index.value + pfn - head.pfn
                if head.mapping.value is not mapping or named != index + offset:
                    names = f"{head.mapping.value}[{named}]"
                    self.fail("association", f"{mapping}[{index + offset}] is page {pfn}, which names {names}")
        for page in self.kernel.pages[: self.kernel.device_pages]:
            if not page.freed and page.mapping.value is mapping:
                index = page.index.value
                first, found = entry_at(mapping.i_pages, index) or (index, None)
                if found is None or not found.real or found.pfn + index - first != page.pfn:
                    self.fail("association", f"page {page.pfn} names {mapping}[{index}], which is {found}")
