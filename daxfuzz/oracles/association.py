"""Agreement of pages and entries."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.kernel.inode import block_of
from daxfuzz.kernel.page import COW
from daxfuzz.oracles.lookup import entry_at
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.block import Owner
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import AddressSpace
    from daxfuzz.kernel.page import Page
    from daxfuzz.sim import Lock, Task


class Association(Oracle):
    """Whenever xa_lock is dropped, each real entry's page names that file page, and no page names another one; nor does
    an entry that nobody has locked stand for a free block. Of virtio-fs the server frees before the kernel forgets; who
    has the range of the window is what matters there.

    A page of a folio says so by its head; an entry stands for whole folios, of the size that its protocol makes. A page
    that names no file page, but that several may have it, counts the entries that have it. No lock covers such a count
    for two files: it is looked at when no task is inside the xa_lock of any file. A count that is not told from an
    index (v6.15) may be anything while no entry has the page.

    Where page-table entries hold references (v6.15), a page of which a register, a pipe or a device has a reference
    keeps the last entry that has it, since nobody would wait for it without: fs/dax.c has waited until the page is idle
    before it deletes the entry, or replaces it. What only this finds may do no harm, so the execution goes on.

    A character device has neither lock nor entries: when nothing is under way, its pages name their place in it.
    """

    kinds = ("association",)

    def attach(self) -> None:
        if self.kernel.fs.char_device:
            self.world.on_end.append(self.at_rest)
        self.mappings = [inode.i_mapping for inode in self.kernel.inodes.values()]
        listen(self.kernel.allocator, "on_free", self.freed)
        for mapping in self.mappings:
            listen(mapping.i_pages, "watch", self.touch)
            if self.kernel.memory.pte_references():
                listen(mapping.i_pages, "watch", self.stored)
            listen(mapping.i_pages.lock, "on_release", self.checker(mapping))
        self.device = self.kernel.pages[: self.kernel.device_pages]
        for page in self.device:
            listen(page.mapping, "watch", self.touch)
            listen(page.index, "watch", self.touch)

    def reset(self) -> None:
        self.touched = False
        self.later = False

    def memory(self) -> Hashable:
        return self.touched, self.later

    def touch(self, *_: object) -> None:
        self.touched = True

    def stored(self, index: int, old: Entry | None, new: Entry | None) -> None:
        """Judges who takes the last entry from a page."""
        if old is None or not old.real or (new is not None and new.pfn == old.pfn and new.pmd == old.pmd):
            return
        lost = [pfn for pfn in old.pfns(self.kernel.machine) if not self.device[pfn].freed and not self.places(pfn)]
        for task, reference in self.sim.references() if lost else ():
            if reference.page.pfn in lost:
                pfn = reference.page.pfn
                message = f"{self.world.current.name} deletes the last entry of page {pfn}, which {task.name} uses"
                self.world.defer(Violation("association", message, tasks=(self.world.current.name,)))

    def places(self, pfn: int) -> list[tuple[AddressSpace, int]]:
        """The file pages whose entries have a page."""
        return [
            (mapping, index + pfn - entry.pfn)
            for mapping in self.mappings
            for index, entry in mapping.i_pages.entries.items()
            if pfn in entry.pfns(self.kernel.machine)
        ]

    def checker(self, mapping: AddressSpace) -> Callable[[Lock, Task], None]:
        def dropped(lock: Lock, task: Task) -> None:
            if self.touched or self.later:
                self.touched = self.later = False
                self.check(mapping)

        return dropped

    def freed(self, pfn: int, owner: Owner) -> None:
        for mapping in self.mappings:
            if mapping.i_pages.quiet:
                self.check_allocated(mapping, pfn)

    def check_allocated(self, mapping: AddressSpace, freed: int | None = None) -> None:
        """No entry of a file that is not locked stands for a free block, or for a given one."""
        if self.kernel.fuse_conn is not None:
            return
        table = self.kernel.allocator.table
        for index, entry in mapping.i_pages.entries.items():
            if entry.locked:
                continue
            for pfn in entry.pfns(self.kernel.machine):
                if not table[pfn] and freed in (None, pfn):
                    self.fail("association", f"{mapping}[{index}] is {entry}, but block {pfn} is free")

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
        # A device that is gone goes as a whole.
        if self.device[0].freed:
            return
        self.check_allocated(mapping)
        table = self.kernel.allocator.table
        dax = self.kernel.dax
        # Entries of more than one file page may have these.
        several = [page for page in self.device if len(table[page.pfn]) > 1 or dax.shared_count(page) is not None]
        for index, entry in mapping.i_pages.entries.items():
            pages = dax.folio_pages(entry)
            for offset, pfn in enumerate(entry.pfns(self.kernel.machine)):
                page = self.device[pfn]
                self.check_folio(mapping, index + offset, page, self.device[pfn - offset % pages], pages)
                if page in several:
                    continue
                head = page.head.value
                named = head.index.value + pfn - head.pfn
                if head.mapping.value is not mapping or named != index + offset:
                    names = f"{head.mapping.value}[{named}]"
                    self.fail("association", f"{mapping}[{index + offset}] is page {pfn}, which names {names}")
        quiet = not several or all(each.i_pages.quiet for each in self.mappings)
        for page in self.device:
            if page in several:
                self.later = self.later or not quiet
                if quiet:
                    self.check_shared(page)
            elif page.mapping.value is mapping:
                index = page.index.value
                first, found = entry_at(mapping.i_pages, index) or (index, None)
                if found is None or not found.real or found.pfn + index - first != page.pfn:
                    self.fail("association", f"page {page.pfn} names {mapping}[{index}], which is {found}")

    def check_folio(self, mapping: AddressSpace, index: int, page: Page, first: Page, pages: int) -> None:
        """A page belongs to the folio of a given size that begins with a given page."""
        head = page.head.value
        if self.kernel.fs.char_device:
            # Its folios are made with the device.
            return
        if head is not first or head.order.value != pages:
            folio = f"the folio of {head.order.value} pages from {head.pfn}"
            self.fail(
                "association", f"{mapping}[{index}] is page {page.pfn} of {folio}, not of {pages} from {first.pfn}"
            )

    def check_shared(self, page: Page) -> None:
        """What a page says about several entries against those that there are."""
        places = self.places(page.pfn)
        head = page.head.value
        named, index = head.mapping.value, head.index.value + page.pfn - head.pfn
        count = self.kernel.dax.shared_count(page)
        if count is None:
            right = places == ([] if named is None else [(named, index)])
        else:
            right = count == len(places) and bool(places) if named is COW else not places or count == len(places)
        if not right:
            which = " and ".join(f"{mapping}[{index}]" for mapping, index in places) or "nothing"
            says = f"names {named}[{index}]" if count is None else f"counts {count} file pages"
            self.fail("association", f"page {page.pfn} {says}, but is {which}")
