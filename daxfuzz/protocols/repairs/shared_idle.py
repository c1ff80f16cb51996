"""N-64: an entry's reference on a shared page hinders the other files' breaks (fs/dax.c, series v3 on top of v6.0)."""

from __future__ import annotations

from typing import ClassVar, cast

from daxfuzz.kernel.dax import Dax, WakeMode
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.memremap import Memremap
from daxfuzz.kernel.page import COW, Page
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.series_v3.zap import IntroduceDaxZapMappings
from daxfuzz.sim import wake_up_var


class FixSharedIdle(Repair):
    """On a file system that shares blocks, wait for references beyond those of entries, and delete what is idle.

    In v3 each entry holds its pages, and a page is idle without references (dax_page_idle). Files A and B share a
    block and both have it mapped: truncate of A zaps A's entry, which leaves the reference of B's, and waits until
    somebody truncates B as well; eviction of A waits for that and cannot be killed. Two files, no race.

    How many entries of a shared page are zapped is written nowhere, so that the references of those that are not
    cannot be told from others. With the repair none is: the search changes no entry, and when it finds no busy page,
    it writes the entries of the range back and deletes them, as a break does since v6.15 (bde708f1a65d). A page is
    idle with as many references as entries have it.
    """

    flaw = "N-64"
    adds: ClassVar = {"dax": ("delete_idle_entries",)}

    class dax(Dax):
        async def dax_busy_page(self, xas: XaState, entry: Entry) -> Page | None:
            if not self.k.fs.reflinks:
                return await super().dax_busy_page(xas, entry)
            for page in await self.mapped_folios(entry):
                if not await self.page_idle(page):
                    return page
            return None

        async def page_idle(self, page: Page) -> bool:
            if not self.k.fs.reflinks:
                return await super().page_idle(page)
            # Who associates a page takes its reference and counts it under this lock.
            await self.k.dax_share_lock.acquire()
            mapping = await page.mapping.read()
            entries = await page.index.read() if mapping is COW else int(mapping is not None)
            idle = await page.refcount.read() == entries
            await self.k.dax_share_lock.release()
            return idle

        async def dax_layout_busy_page_range(self, mapping: AddressSpace, first: int, last: int) -> Page | None:
            page = await super().dax_layout_busy_page_range(mapping, first, last)
            if page is None and self.k.fs.reflinks:
                await self.delete_idle_entries(mapping, first, last)
            return page

        async def delete_idle_entries(self, mapping: AddressSpace, first: int, last: int) -> None:
            """Delete the entries of a range, each when it is unlocked; nobody can map them meanwhile."""
            await self.k.dax_writeback.dax_writeback_mapping_range(mapping, first, last)
            xas = XaState(mapping.i_pages, first)
            await mapping.i_pages.lock.acquire()
            while (found := await xas.find(last)) is not None:
                entry = await self.wait_scanned_entry(mapping, xas, found) if found.locked else found
                if entry is not None:
                    await self.dax_disassociate_entry(entry, mapping, trunc=False)
                    await xas.store(None)
                    await self.put_unlocked_entry(mapping, xas, entry, WakeMode.WAKE_ALL)
            await mapping.i_pages.lock.release()

        async def dax_delete_mapping_entry(self, mapping: AddressSpace, index: int) -> None:
            if self.k.fs.reflinks and await mapping.exiting.read():
                # That deletes it.
                dax = cast("IntroduceDaxZapMappings.dax", self)
                await dax.dax_break_layouts(mapping, index, index + 1)
            else:
                await super().dax_delete_mapping_entry(mapping, index)

    class memremap(Memremap):
        async def page_ref_sub_return(self, page: Page, refs: int) -> int:
            count = await super().page_ref_sub_return(page, refs)
            if count > 1 and self.k.fs.reflinks:
                # At 1 and at 0 somebody else does so.
                await wake_up_var(self.k.var_waitqueues, page.address)
            return count
