"""Memory failures of device pages (mm/memory-failure.c, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.kernel.errno import EBUSY, ENXIO, EOPNOTSUPP
from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.memremap import MemoryType
from daxfuzz.kernel.mm import TABLE, Mm, Pte
from daxfuzz.kernel.page import Cow
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.sim import Signal, Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.dax_lock import LockedPage
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import AddressSpace
    from daxfuzz.kernel.memremap import DevPagemap
    from daxfuzz.kernel.page import Page
    from daxfuzz.sim import Task


class Mf:
    """MF_ flags, as plain ints."""

    COUNT_INCREASED = 1
    """The caller has a reference of the page, which goes first."""
    MEM_PRE_REMOVE = 1 << 7
    """Nothing has failed: the device is about to be removed (v6.8)."""


class ToKill(NamedTuple):
    """struct to_kill: a task to signal. pages: what the entry maps through which it reaches the page."""

    task: Task
    pages: int


class MemoryFailure(Subsystem):
    """From the pfn to the signal. Nothing here waits for references: a pin of a failed page stays.

    The page stays where it is, too: neither faults nor GUP look at its HWPoison flag, and a fault maps it again.
    Known deviation: no process asks for early signals (PR_MCE_KILL_EARLY, vm.memory_failure_early_kill are off), and
    SIGBUS has a handler, so it ends no task by itself.
    """

    async def madvise_inject_error(self, mm: Mm, address: int) -> int:
        """madvise(MADV_HWPOISON) on one page: 0 or a negative error.

        Known deviation: only device pages can fail; the zero page is put back (-EBUSY).
        """
        pages = await self.k.gup.internal_get_user_pages_fast(mm, range(address, address + 1), Foll.GET)
        if isinstance(pages, int):
            return pages
        page = pages[0]
        if page is self.k.zero_folio:
            await self.k.memremap.put_page(page)
            return -EBUSY
        error = await self.memory_failure(page.pfn, Mf.COUNT_INCREASED)
        return 0 if error == -EOPNOTSUPP else error

    async def memory_failure(self, pfn: int, flags: int) -> int:
        """Handle the failure of a device page: 0 or a negative error. One at a time."""
        await self.k.mf_mutex.acquire()
        pgmap = await self.k.memremap.get_dev_pagemap(pfn, None)
        if pgmap is None:
            error = -ENXIO
        else:
            error = await self.memory_failure_dev_pagemap(pfn, flags, pgmap)
        await self.k.mf_mutex.release()
        return error

    async def memory_failure_dev_pagemap(self, pfn: int, flags: int, pgmap: DevPagemap) -> int:
        """Ask whoever holds the device, else signal who maps the page. Drops the caller's reference of the page map."""
        if self.k.on_failure is not None:
            self.k.on_failure(pfn)
        if flags & Mf.COUNT_INCREASED:
            await self.k.memremap.put_page(self.k.pages[pfn])
        error = -EOPNOTSUPP
        if pgmap.type is MemoryType.FS_DAX:
            error = await self.k.dax_device.dax_holder_notify_failure(pfn, 1, flags)
        if error == -EOPNOTSUPP:
            error = await self.mf_generic_kill_procs(pfn)
        await self.k.memremap.put_dev_pagemap(pgmap)
        return error

    async def mf_generic_kill_procs(self, pfn: int) -> int:
        """Lock the page's entry, mark the page, and deal with who maps it: 0, or -EBUSY if it is no page of a file."""
        page = await self.k.pages[pfn].head.read()
        cookie = await self.k.dax_lock.dax_lock_page(page)
        if cookie is None:
            return -EBUSY
        await page.hwpoison.write(True)
        await self.unmap_and_kill_page(page, cookie)
        await self.k.dax_lock.dax_unlock_page(page, cookie)
        return 0

    async def unmap_and_kill_page(self, page: Page, cookie: LockedPage) -> None:
        """Deal with who maps the file page that a page names, which it is asked again. (In the kernel a part of
        mf_generic_kill_procs.)"""
        to_kill = await self.collect_procs(page)
        mapping = await page.mapping.read()
        if isinstance(mapping, Cow):
            self.k.bug("mf_generic_kill_procs: PAGE_MAPPING_DAX_COW is dereferenced")
        await self.unmap_and_kill(to_kill, mapping, await page.index.read())

    async def mf_dax_kill_procs(self, mapping: AddressSpace, first: int, pages: int, flags: int, pfn: int) -> int:
        """The same for a range of a file, on behalf of the file system that holds the device: 0 or a negative error.

        pfn: the page that has failed at the first of the range, for who asks whether the file still has it there.
        """
        to_kill: list[ToKill] = []
        for index in range(first, first + pages):
            cookie, page = await self.k.dax_lock.dax_lock_mapping_entry(mapping, index)
            if page is not None and self.has_failed(cookie, index, pfn + index - first):
                await page.hwpoison.write(True)
                to_kill = self.list_after_kill(to_kill) + await self.collect_procs_file(mapping, index)
                await self.unmap_and_kill(to_kill, mapping, index)
            await self.k.dax_lock.dax_unlock_mapping_entry(mapping, index, cookie)
        return 0

    def has_failed(self, entry: Entry, index: int, pfn: int) -> bool:
        """Whether the page of a locked entry at an index is the one that has failed: v6.0 takes that for granted."""
        return True

    def list_after_kill(self, killed: list[ToKill]) -> list[ToKill]:
        """What the list holds after a round of kill_procs, which frees its members and leaves them on it."""
        if killed:
            name = self.k.world.current.name
            raise Violation("use-after-free", f"{name} walks a to_kill list whose members were freed", tasks=(name,))
        return []

    async def collect_procs(self, page: Page) -> list[ToKill]:
        """Who maps the file page that a page names."""
        mapping = await page.mapping.read()
        if mapping is None or isinstance(mapping, Cow):
            return []
        return await self.collect_procs_file(mapping, await page.index.read())

    async def collect_procs_file(self, mapping: AddressSpace, index: int) -> list[ToKill]:
        """Collect the current task for each VMA of its own mm that has the file page mapped; nobody else."""
        to_kill: list[ToKill] = []
        task = self.k.world.current
        mine = self.k.mm_of.get(task.index)
        await mapping.i_mmap_rwsem.down_read()
        for vma in await mapping.i_mmap.read():
            if vma.mm is mine and index < vma.pages:
                pages = await self.dev_pagemap_mapping_shift(vma.mm, vma.start + index)
                if pages:
                    to_kill.append(ToKill(task, pages))
        await mapping.i_mmap_rwsem.up_read()
        return to_kill

    async def dev_pagemap_mapping_shift(self, mm: Mm, address: int) -> int:
        """Number of pages that the entry at an address maps, 0 if that is nothing of a device. No lock is taken.

        Known deviation: v6.19 takes a private copy for a page of the device, since no bit of the entry tells any more
        (pte_devmap), and signals who has one.
        """
        if mm.puds:
            return mm.pud_pages if await mm.pud(address).read() is not None else 0
        pmd = await mm.pmd(address).read()
        if isinstance(pmd, Pte):
            return 0 if pmd.zero else mm.pmd_pages
        pte = await mm.slots[address].read() if pmd is TABLE else None
        return 0 if pte is None or pte.zero or self.k.is_ram(pte) else 1

    async def unmap_and_kill(self, to_kill: list[ToKill], mapping: AddressSpace | None, index: int) -> None:
        """Unmap the largest range that one of the collected maps the page with, from everybody; then signal them.

        Where nobody was collected nothing is unmapped.
        """
        if self.k.on_kill is not None and mapping is not None:
            self.k.on_kill(mapping, index, [each.task for each in to_kill])
        pages = max((each.pages for each in to_kill), default=0)
        if pages:
            if mapping is None:
                self.k.bug("unmap_and_kill: page.mapping is NULL")
            await self.k.memory.unmap_mapping_pages(mapping, index - index % pages, pages)
        for each in to_kill:
            await self.k.signals.send(each.task, Signal.PENDING)
