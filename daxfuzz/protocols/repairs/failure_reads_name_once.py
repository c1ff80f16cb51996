"""N-230: a memory failure asks a page again which file page it is, after it has locked the entry of that."""

from __future__ import annotations

from daxfuzz.kernel.dax_lock import NOT_LOCKED, DaxLock, LockedPage
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.errno import EBUSY
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.memory_failure import MemoryFailure
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair


class FixFailureReadsNameOnce(Repair):
    """Unmap, signal and unlock by the file and index whose entry was locked (mf_generic_kill_procs, v6.0 to v6.19).

    The lock of one file's entry does not keep another file that shares the block from association, which replaces the
    page's mapping and index by a mark and a count (dax_mapping_set_cow; dax_folio_make_shared since v6.15). Where the
    holder of the device cannot tell the owners (xfs without reverse mappings): memory_failure has locked the entry;
    another file: a fault maps the block; memory_failure reads mapping and index again, dereferences the mark or NULL,
    or unlocks another entry. If the page becomes shared between the two reads in dax_lock_page, the index is already
    a count: the entry found there must be one of the page, else the failure ends with -EBUSY like that of a page that
    was shared before. It also does so if the page is shared once it is marked: who maps it through the other file was
    not looked for. No upstream fix known.
    """

    flaw = "N-230"

    class dax_lock(DaxLock):
        def named_entry(self, entry: Entry | None, index: int, page: Page) -> Entry | None:
            if entry is None or not entry.real:
                return None
            return entry if entry.pfn + index % entry.size(self.k.machine) == page.pfn else None

        async def dax_unlock_page(self, page: Page, cookie: LockedPage) -> None:
            if cookie.entry is NOT_LOCKED:
                await super().dax_unlock_page(page, cookie)
            else:
                await self.k.dax_lock.dax_unlock_mapping_entry(cookie.mapping, cookie.position, cookie.entry)

    class memory_failure(MemoryFailure):
        async def mf_generic_kill_procs(self, pfn: int) -> int:
            error = await super().mf_generic_kill_procs(pfn)
            if error or not self.k.fs.reflinks:
                return error
            page = await self.k.pages[pfn].head.read()
            return 0 if isinstance(await page.mapping.read(), AddressSpace) else -EBUSY

        async def unmap_and_kill_page(self, page: Page, cookie: LockedPage) -> None:
            if cookie.entry is NOT_LOCKED:
                await super().unmap_and_kill_page(page, cookie)
                return
            to_kill = await self.collect_procs_file(cookie.mapping, cookie.position)
            await self.unmap_and_kill(to_kill, cookie.mapping, cookie.position)
