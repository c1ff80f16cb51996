"""The entry lock for who comes from a page or from a failed block (fs/dax.c, dax_lock_page and below, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.page import Cow
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.kernel.xarray import XaState
from daxfuzz.sim import TaskState, WaitEntry

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import AddressSpace
    from daxfuzz.kernel.page import Page

NOT_LOCKED: Final = Entry(-2)
"""The cookie ~0: all is well, but there is no entry that had to be locked. Compared by identity."""


class LockedPage(NamedTuple):
    """dax_entry_t: the entry that dax_lock_page has locked, or NOT_LOCKED; and where it is, which v6.0 does not keep.

    mapping, position: the file page that the page named. The position of NOT_LOCKED is not looked at, and 0.
    """

    entry: Entry
    mapping: AddressSpace
    position: int


class DaxLock(Subsystem):
    """Locks an entry without any lock of the file system, and without a reference of the inode.

    RCU keeps the inode's memory while it is looked at; xa_lock keeps the inode once the entry was seen.
    """

    async def wait_entry_unlocked(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
        """Sleep until somebody wakes for the entry. xa_lock is held on entry, and not on return: the file may be gone.

        Not exclusive, since this waiter cannot promise to pass a wake-up on.
        """
        queue, key = self.k.dax.dax_entry_waitqueue(mapping, xas.index, entry)
        waiter = WaitEntry(self.k.world.current, key)
        await queue.prepare_to_wait(waiter, TaskState.UNINTERRUPTIBLE)
        await mapping.i_pages.lock.release()
        await queue.schedule()
        await queue.finish_wait(waiter)

    async def dax_lock_page(self, page: Page) -> LockedPage | None:
        """Lock the entry of the file page that a page names, NOT_LOCKED for a character device; None if there is none.

        The name may change until xa_lock is held, so it is read again there.
        """
        await self.k.rcu.read_lock()
        while True:
            mapping = self.dax_mapping(await page.mapping.read())
            if mapping is None:
                cookie = None
                break
            if self.never_locked():
                # The caller's reference of the page map keeps the device's inode.
                cookie = LockedPage(NOT_LOCKED, mapping, 0)
                break
            i_pages = mapping.i_pages
            await i_pages.lock.acquire()
            if not await self.still_names(page, mapping):
                await i_pages.lock.release()
                continue
            xas = XaState(i_pages, await page.index.read())
            entry = self.named_entry(await xas.load(), xas.index, page)
            if entry is None:
                await i_pages.lock.release()
                cookie = None
                break
            if entry.locked:
                await self.k.rcu.read_unlock()
                await self.wait_entry_unlocked(mapping, xas, entry)
                await self.k.rcu.read_lock()
                continue
            await self.k.dax.dax_lock_entry(xas, entry)
            await i_pages.lock.release()
            cookie = LockedPage(entry, mapping, xas.index)
            break
        await self.k.rcu.read_unlock()
        return cookie

    def named_entry(self, entry: Entry | None, index: int, page: Page) -> Entry | None:
        """What was found at the index that a page names: the entry to lock, or None if the page names nothing.

        v6.0 asks no question: where it finds no entry it goes on, and locks nothing.
        """
        if entry is None:
            self.k.bug("dax_lock_page: no entry")
        return entry

    async def still_names(self, page: Page, mapping: AddressSpace) -> bool:
        """Whether a page names the same file now that xa_lock is held, without which that may change."""
        return await page.mapping.read() is mapping

    def never_locked(self) -> bool:
        """Whether the device is a character device, which has no entries to lock (S_ISCHR)."""
        return self.k.fs.char_device

    def dax_mapping(self, mapping: AddressSpace | Cow | None) -> AddressSpace | None:
        """The file that a page names, if that is a DAX one. It is dereferenced to tell."""
        if isinstance(mapping, Cow):
            self.k.bug("dax_mapping: PAGE_MAPPING_DAX_COW is dereferenced")
        return mapping

    async def dax_unlock_page(self, page: Page, cookie: LockedPage) -> None:
        """Unlock what dax_lock_page has locked: v6.0 takes for granted that the page still names it."""
        mapping = await page.mapping.read()
        index = await page.index.read()
        if mapping is None:
            self.k.bug("dax_unlock_page: page.mapping is NULL")
        if cookie.entry is NOT_LOCKED:
            return
        if isinstance(mapping, Cow):
            self.k.bug("dax_unlock_page: PAGE_MAPPING_DAX_COW is dereferenced")
        await self.k.dax.dax_unlock_entry(mapping, XaState(mapping.i_pages, index), cookie.entry)

    async def dax_lock_mapping_entry(self, mapping: AddressSpace, index: int) -> tuple[Entry, Page | None]:
        """Lock the entry at an index: (the entry, its first page), or (NOT_LOCKED, None) where no block is."""
        i_pages = mapping.i_pages
        await self.k.rcu.read_lock()
        while True:
            await i_pages.lock.acquire()
            xas = XaState(i_pages, index)
            entry = await xas.load()
            if entry is not None and entry.locked:
                await self.k.rcu.read_unlock()
                await self.wait_entry_unlocked(mapping, xas, entry)
                await self.k.rcu.read_lock()
                continue
            page = None
            cookie = NOT_LOCKED
            if entry is not None and entry.real:
                page = self.k.pages[entry.pfn]
                await self.k.dax.dax_lock_entry(xas, entry)
                cookie = entry
            await i_pages.lock.release()
            break
        await self.k.rcu.read_unlock()
        return cookie, page

    async def dax_unlock_mapping_entry(self, mapping: AddressSpace, index: int, cookie: Entry) -> None:
        """Unlock what dax_lock_mapping_entry has locked."""
        if cookie is not NOT_LOCKED:
            await self.k.dax.dax_unlock_entry(mapping, XaState(mapping.i_pages, index), cookie)
