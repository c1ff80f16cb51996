"""DAX entries, their lock, and the search for busy pages (fs/dax.c, v6.0)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import TYPE_CHECKING

from daxfuzz.kernel.entry import CONFLICT, EMPTY, EMPTY_PMD, DaxFlag, Entry
from daxfuzz.kernel.page import COW
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.kernel.xarray import Mark, XaState
from daxfuzz.sim import TaskState, WaitEntry, WaitQueueHead, wait_var_event

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.filesystem import Iomap
    from daxfuzz.kernel.inode import AddressSpace
    from daxfuzz.kernel.memory import Fault, VmFault
    from daxfuzz.kernel.page import Page
    from daxfuzz.sim import Lock


class WakeMode(IntEnum):
    """enum dax_wake_mode: the value is the number of exclusive waiters to wake, 0 for all."""

    WAKE_ALL = 0
    WAKE_NEXT = 1


class Dax(Subsystem):
    """Entry lock, association of pages, and the layout scan.

    An entry is locked by a bit in the xarray; who finds it locked sleeps on a hashed queue, keyed by file and
    index. Rule: an exclusive waiter that was woken locks the entry or passes the wake on.
    """

    # -- the entry lock ------------------------------------------------------------------------------------------

    def dax_entry_waitqueue(
        self, mapping: AddressSpace, index: int, entry: Entry
    ) -> tuple[WaitQueueHead, tuple[int, int]]:
        """The queue and the key of an entry: those of its first index, wherever in a PMD the caller stands."""
        if entry.pmd:
            index -= index % self.k.machine.pmd_pages
        return self.k.dax_waitqueues.bucket(mapping.address ^ index), (mapping.address, index)

    async def dax_wake_entry(self, mapping: AddressSpace, index: int, entry: Entry, mode: WakeMode) -> None:
        """Wake waiters for an entry. The look without the queue's lock is safe: they queue under xa_lock."""
        queue, key = self.dax_entry_waitqueue(mapping, index, entry)
        if await queue.active():
            await queue.wake(key, mode)

    async def get_unlocked_entry(self, mapping: AddressSpace, xas: XaState, size: int = 1) -> Entry | None:
        """Look the entry up, asleep for as long as it is locked; xa_lock is held, but dropped while asleep.

        size: the order, in pages. A smaller entry is CONFLICT, and is not waited for.
        """
        i_pages = mapping.i_pages
        waiter: WaitEntry | None = None
        while True:
            entry = await xas.find_conflict()
            if entry is None:
                return None
            if size > 1 and entry.size(self.k.machine) < size:
                return CONFLICT
            if not entry.locked:
                return entry
            queue, key = self.dax_entry_waitqueue(mapping, xas.index, entry)
            if waiter is None:
                waiter = WaitEntry(self.k.world.current, key, exclusive=True)
            waiter.key = key
            await queue.prepare_to_wait(waiter, TaskState.UNINTERRUPTIBLE)
            await i_pages.lock.release()
            xas.reset()
            await queue.schedule()
            await queue.finish_wait(waiter)
            await i_pages.lock.acquire()

    async def put_unlocked_entry(
        self, mapping: AddressSpace, xas: XaState, entry: Entry | None, mode: WakeMode
    ) -> None:
        """Pass the wake on after get_unlocked_entry, when the entry is not to be locked."""
        if entry is not None and entry is not CONFLICT:
            await self.dax_wake_entry(mapping, xas.index, entry, mode)

    async def dax_lock_entry(self, xas: XaState, entry: Entry) -> None:
        """Set the lock bit; xa_lock is held."""
        await xas.store(entry.lock())

    async def dax_unlock_entry(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
        """Clear the lock bit and wake the next one; xa_lock is not held."""
        if entry.locked:
            self.unlock_entry_bug("dax_unlock_entry: the new entry is locked")
        xas.reset()
        await mapping.i_pages.lock.acquire()
        old = await xas.store(entry)
        await mapping.i_pages.lock.release()
        if old is None or not old.locked:
            self.unlock_entry_bug("dax_unlock_entry: the entry was not locked")
        await self.dax_wake_entry(mapping, xas.index, entry, WakeMode.WAKE_NEXT)

    def unlock_entry_bug(self, message: str) -> None:
        """What dax_unlock_entry does when its caller is wrong: BUG_ON."""
        self.k.bug(message)

    # -- association of pages with file pages --------------------------------------------------------------------

    async def dax_mapping_set_cow(self, page: Page) -> None:
        """Count one more file page; the count starts anew if the page was associated with a single one before."""
        mapping = await page.mapping.read()
        if mapping is not COW:
            if mapping is not None:
                await page.index.write(1)
            await page.mapping.write(COW)
        await page.index.write(await page.index.read() + 1)

    def associated_index(self, vmf: Fault, size: int) -> int:
        """File page of the first of `size` pages that a fault associates: its own, rounded down."""
        return vmf.index - vmf.index % size

    async def mapped_folios(self, entry: Entry) -> list[Page]:
        """What association works on, one after the other: each page of a real entry, nothing of another one."""
        return [self.k.pages[pfn] for pfn in entry.pfns(self.k.machine)]

    async def dax_associate_entry(self, entry: Entry, mapping: AddressSpace, vmf: Fault, flags: int) -> VmFault | None:
        """Note in the pages which file pages they are; the entry is locked. None, or why it cannot be: never in v6.0.

        flags: of DaxFlag; v6.0 has the address and cow in place of `vmf` and `flags`.
        """
        index = self.associated_index(vmf, entry.size(self.k.machine))
        for offset, page in enumerate(await self.mapped_folios(entry)):
            error = await self.associate_page(page, mapping, index + offset, flags)
            if error is not None:
                return error
        return None

    async def associate_page(self, page: Page, mapping: AddressSpace, index: int, flags: int) -> VmFault | None:
        """The part of dax_associate_entry for one page."""
        if flags & DaxFlag.COW:
            await self.dax_mapping_set_cow(page)
            return None
        if await page.mapping.read() is not None:
            self.k.warn("dax_associate_entry: page is associated already", page)
        await page.mapping.write(mapping)
        await page.index.write(index)
        return None

    async def dax_disassociate_entry(self, entry: Entry, mapping: AddressSpace, trunc: bool) -> None:
        """Forget it again. A page whose block goes away must not be in use by anybody."""
        for page in await self.mapped_folios(entry):
            if trunc and await self.busy_at_truncation(page, await page.refcount.read()):
                self.k.warn("dax_disassociate_entry: page is busy", page)
            await self.disassociate_page(page, mapping)

    async def disassociate_page(self, page: Page, mapping: AddressSpace) -> None:
        """The part of dax_disassociate_entry for one page."""
        old = await page.mapping.read()
        if old is COW:
            if await self.dax_cow_put(page):
                return
        elif old is not None and old is not mapping:
            self.k.warn("dax_disassociate_entry: page belongs to another file", page)
        await page.mapping.write(None)
        await page.index.write(0)

    def prefault_association(self, entry: Entry, mapping: AddressSpace, index: int) -> None:
        """What dax_associate_entry does, before the world is sealed."""
        for offset, pfn in enumerate(entry.pfns(self.k.machine)):
            self.k.pages[pfn].mapping.value = mapping
            self.k.pages[pfn].index.value = index + offset

    def folio_pages(self, entry: Entry) -> int:
        """Pages of the folios that an entry stands for, for observers: in v6.0 each page of a file is on its own."""
        return 1

    def association_lock(self) -> Lock | None:
        """What is held to change what a page says about several files, for observers; None: in no kernel anything."""
        return None

    def shared_count(self, page: Page) -> int | None:
        """How many file pages have a page, as it says, for observers; None if it names the one that has it, or none."""
        return page.index.value if page.mapping.value is COW else None

    async def busy_at_truncation(self, page: Page, refcount: int) -> bool:
        """What dax_disassociate_entry warns of."""
        return self.page_busy(refcount)

    async def dax_cow_put(self, page: Page) -> bool:
        """Count one file page less: whether any are left. (In the kernel a part of dax_disassociate_entry.)

        v6.0 looks at the count from before, so that the mark outlives the last one.
        """
        count = await page.index.read()
        await page.index.write(count - 1)
        return count > 0

    # -- entries on behalf of faults -----------------------------------------------------------------------------

    async def grab_mapping_entry(self, mapping: AddressSpace, xas: XaState, size: int) -> Entry:
        """Lock the entry at an index, after making an empty one if there is none. The value comes without the bit.

        size: the order, in pages. CONFLICT, and nothing is locked, if smaller entries are there. A larger one that
        stands for no blocks makes way; one that does is locked as it is.
        """
        i_pages = mapping.i_pages
        index = xas.index
        await i_pages.lock.acquire()
        entry = await self.get_unlocked_entry(mapping, xas, size)
        if entry is CONFLICT:
            await i_pages.lock.release()
            return entry
        if entry is not None and size == 1 and entry.huge and not entry.real:
            await self.downgrade_pmd_entry(mapping, xas, entry)
            xas.set(index)
            entry = None
        if entry is None:
            entry = self.empty_entry(xas, size)
        await self.dax_lock_entry(xas, entry)
        await i_pages.lock.release()
        return entry

    def empty_entry(self, xas: XaState, size: int) -> Entry:
        """What grab_mapping_entry makes at a position, only to lock it. size: the order, in pages; v6.0 has no PUDs."""
        return EMPTY if size == 1 else EMPTY_PMD

    async def downgrade_pmd_entry(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
        """Delete a zero or empty PMD entry, and its mappings (part of grab_mapping_entry).

        xa_lock is held, but dropped during the unmap: hence the lock of the entry.
        """
        i_pages = mapping.i_pages
        pages = entry.size(self.k.machine)
        await self.dax_lock_entry(xas, entry)
        if entry.zero:
            await i_pages.lock.release()
            await self.k.memory.unmap_mapping_pages(mapping, xas.index - xas.index % pages, pages)
            xas.reset()
            await i_pages.lock.acquire()
        await self.dax_disassociate_entry(entry, mapping, trunc=False)
        await xas.store(None)
        await self.dax_wake_entry(mapping, xas.index, entry, WakeMode.WAKE_ALL)

    async def dax_insert_entry(
        self, xas: XaState, vmf: Fault, iomap: Iomap | None, entry: Entry, new: Entry
    ) -> tuple[VmFault | None, Entry]:
        """Put what a fault found in place of the empty or zero entry it has locked; a real one stays but for CoW.

        iomap: None for a character device. Returns why it failed, never in v6.0, and the entry that is locked now.
        """
        mapping = vmf.vma.mapping
        flags = self.dax_iter_flags(vmf, iomap)
        i_pages = mapping.i_pages
        cow = bool(flags & DaxFlag.COW)
        if cow or (entry.zero and not new.zero):
            size = entry.size(self.k.machine)
            await self.k.memory.unmap_mapping_pages(mapping, xas.index - xas.index % size, size)
        xas.reset()
        await i_pages.lock.acquire()
        if cow or entry.zero or entry.empty:
            error = await self.reassociate(entry, new, vmf, flags)
            if error is not None:
                await i_pages.lock.release()
                return error, entry
            old = await xas.store(new.lock())
            if old != entry.lock():
                self.k.warn("dax_insert_entry: the locked entry has changed", None)
            entry = new
        else:
            error, entry = await self.keep_entry(xas, vmf, entry)
            if error is not None:
                await i_pages.lock.release()
                return error, entry
        if flags & DaxFlag.DIRTY:
            await i_pages.set_mark(xas.index, Mark.DIRTY)
        if vmf.write and cow:
            await i_pages.set_mark(xas.index, Mark.TOWRITE)
        await i_pages.lock.release()
        return None, entry

    def dax_iter_flags(self, vmf: Fault, iomap: Iomap | None) -> int:
        """What an extent and a fault make of an entry: DaxFlags.

        In v6.0 reads mark it dirty, too, and only a write to a shared extent counts its page. A synchronous fault
        leaves the mark to dax_insert_pfn_mkwrite.
        """
        if iomap is None:
            return 0
        dirty = 0 if self.k.dax_fault.dax_fault_is_synchronous(vmf, iomap) else DaxFlag.DIRTY
        return dirty | (DaxFlag.COW if vmf.write and iomap.shared else 0)

    async def keep_entry(self, xas: XaState, vmf: Fault, entry: Entry) -> tuple[VmFault | None, Entry]:
        """The part of dax_insert_entry for a real entry, which stays: why the fault fails, and the entry."""
        await xas.load()
        return None, entry

    async def reassociate(self, entry: Entry, new: Entry, vmf: Fault, flags: int) -> VmFault | None:
        """The part of dax_insert_entry that associates the new entry in place of the old one; xa_lock is held.

        None, or why the fault fails. In v6.0 association cannot fail.
        """
        await self.dax_disassociate_entry(entry, vmf.vma.mapping, trunc=False)
        await self.dax_associate_entry(new, vmf.vma.mapping, vmf, flags)
        return None

    # -- truncation ----------------------------------------------------------------------------------------------

    def idle_refcount(self) -> int:
        """Reference count of a page that nobody uses, for observers."""
        return 1

    def entry_references(self, entry: Entry) -> int:
        """References that an entry holds on each of its folios, for observers."""
        return 0

    def page_busy(self, refcount: int) -> bool:
        """Whether a count says that somebody uses the page: 1 is idle."""
        return refcount > 1

    async def page_idle(self, page: Page) -> bool:
        """What a wait for a busy page waits for."""
        return await page.refcount.read() == 1

    def idle_address(self, page: Page) -> int:
        """The variable that such a wait is keyed by."""
        return page.refcount_address

    def wait_is_over(self, page: Page) -> Awaitable[bool]:
        """The condition of a wait for a busy page. Nothing keeps the page struct meanwhile."""
        return self.page_idle(page)

    async def wait_page_idle(self, page: Page, drop_locks: Callable[[int], Awaitable[None]]) -> int:
        """Sleep until a page is idle: 0, or -ERESTARTSYS after a signal.

        drop_locks: sleeps on the bucket of the address that it is given, without the locks that the caller holds.
        """
        address = self.idle_address(page)
        return await wait_var_event(
            self.k.var_waitqueues,
            address,
            lambda: self.wait_is_over(page),
            TaskState.INTERRUPTIBLE,
            lambda: drop_locks(address),
        )

    async def dax_busy_page(self, xas: XaState, entry: Entry) -> Page | None:
        """The first page of an entry that is busy. xas: stands on the entry, which v6.0 does not change."""
        for pfn in entry.pfns(self.k.machine):
            page = self.k.pages[pfn]
            if self.page_busy(await page.refcount.read()):
                return page
        return None

    async def mapping_mapped(self, mapping: AddressSpace) -> bool:
        """Whether any VMA maps the file; a look without the lock."""
        return bool(await mapping.i_mmap.read_once())

    def searches_unmapped_files(self) -> bool:
        """Whether a file that no VMA maps is searched for busy pages; in v6.0 it counts as idle."""
        return False

    async def dax_layout_busy_page(self, mapping: AddressSpace, first: int = 0, last: int | None = None) -> Page | None:
        """Unmap the whole file or a range, then find a page of it that somebody still uses. No reference is taken.

        The order matters: who grabs a page after the unmap finds its entry gone; who did so before is counted.
        """
        if mapping.on_layout_scan is not None:
            mapping.on_layout_scan()
        if not self.searches_unmapped_files() and not await self.mapping_mapped(mapping):
            return None
        last = len(mapping.host.extents) - 1 if last is None else last
        await self.k.memory.unmap_mapping_pages(mapping, first, last + 1 - first)
        return await self.dax_layout_busy_page_range(mapping, first, last)

    async def dax_layout_busy_page_range(self, mapping: AddressSpace, first: int, last: int) -> Page | None:
        """Walk a range of unmapped entries for a busy page. (In the kernel the unmap is part of this function.)"""
        i_pages = mapping.i_pages
        xas = XaState(i_pages, first)
        page = None
        scanned = 0
        await i_pages.lock.acquire()
        while (entry := await xas.find(last)) is not None:
            found: Entry | None = entry
            if entry.locked:
                found = await self.wait_scanned_entry(mapping, xas, entry)
            if found is not None:
                page = await self.dax_busy_page(xas, found)
            await self.put_unlocked_entry(mapping, xas, found, WakeMode.WAKE_NEXT)
            if page is not None:
                break
            scanned += 1
            if scanned % self.k.machine.xa_check_sched == 0:
                xas.pause()
                await i_pages.lock.release()
                await i_pages.lock.acquire()
        await i_pages.lock.release()
        return page

    async def wait_scanned_entry(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> Entry | None:
        """What a walk does on a locked entry. In v6.0 that is get_unlocked_entry, which inside a walk finds nothing."""
        return await self.get_unlocked_entry(mapping, xas)

    async def _dax_invalidate_entry(self, mapping: AddressSpace, index: int, trunc: bool) -> bool:
        """Delete an entry when it is unlocked; with trunc=False only if it is clean. Whether it was deleted."""
        i_pages = mapping.i_pages
        xas = XaState(i_pages, index)
        deleted = False
        await i_pages.lock.acquire()
        entry = await self.get_unlocked_entry(mapping, xas)
        if entry is not None and (trunc or not await i_pages.get_mark(index, Mark.DIRTY, Mark.TOWRITE)):
            await self.dax_disassociate_entry(entry, mapping, trunc)
            await xas.store(None)
            deleted = True
        await self.put_unlocked_entry(mapping, xas, entry, WakeMode.WAKE_ALL)
        await i_pages.lock.release()
        return deleted

    async def dax_delete_mapping_entry(self, mapping: AddressSpace, index: int) -> None:
        """Delete the entry that truncation has seen at an index; locks of the file system keep others from doing so."""
        if not await self._dax_invalidate_entry(mapping, index, trunc=True):
            self.k.warn("dax_delete_mapping_entry: no entry", None)

    def dax_invalidate_mapping_entry_sync(self, mapping: AddressSpace, index: int) -> Awaitable[bool]:
        """Delete an entry if it is clean: whether it was."""
        return self._dax_invalidate_entry(mapping, index, trunc=False)
