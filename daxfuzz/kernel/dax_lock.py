"""The entry lock for who comes from a page or from a failed block (fs/dax.c, dax_lock_page and below, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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

    async def dax_lock_page(self, page: Page) -> Entry | None:
        """Lock the entry of the file page that a page names: the entry, NOT_LOCKED for a character device, or None.

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
                cookie = NOT_LOCKED
                break
            i_pages = mapping.i_pages
            await i_pages.lock.acquire()
            if not await self.still_names(page, mapping):
                await i_pages.lock.release()
                continue
            xas = XaState(i_pages, await page.index.read())
            entry = await xas.load()
            if entry is None:
                # The kernel would go on and lock nothing. The page names no file whose entry is gone.
                self.k.bug("dax_lock_page: no entry")
            if entry.locked:
                await self.k.rcu.read_unlock()
                await self.wait_entry_unlocked(mapping, xas, entry)
                await self.k.rcu.read_lock()
                continue
            await self.k.dax.dax_lock_entry(xas, entry)
            await i_pages.lock.release()
            cookie = entry
            break
        await self.k.rcu.read_unlock()
        return cookie

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

    async def dax_unlock_page(self, page: Page, cookie: Entry) -> None:
        """Unlock what dax_lock_page has locked: the page still names it, since the entry was locked."""
        mapping = await page.mapping.read()
        index = await page.index.read()
        if mapping is None:
            self.k.bug("dax_unlock_page: page.mapping is NULL")
        if cookie is NOT_LOCKED:
            return
        if isinstance(mapping, Cow):
            self.k.bug("dax_unlock_page: PAGE_MAPPING_DAX_COW is dereferenced")
        await self.k.dax.dax_unlock_entry(mapping, XaState(mapping.i_pages, index), cookie)

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
