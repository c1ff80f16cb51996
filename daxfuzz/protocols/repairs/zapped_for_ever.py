"""N-54: a fault maps the pages of a zapped entry without a reference (fs/dax.c, on top of v6.0)."""

from __future__ import annotations

from typing import cast

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.memremap import DevPagemap
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.series_v3.request_folios import RequestFoliosInsertReferences
from daxfuzz.sim import wake_up_var


class FixZappedForEver(Repair):
    """Take the references of a zapped entry again, and its mark away, when a fault finds it.

    Breaking the layout zaps the whole file for a truncate of one page, also when a signal ends it. In v3 the other
    entries stay zapped, and dax_insert_entry keeps them: their pages are mapped with a count of 0, at which GUP warns
    and fails, and nothing holds their page map back. Two tasks and no race: truncate the second page, pin the first.

    A fault can come while somebody waits, without the locks, for a pin of the page. The entry's reference is back
    then, so the wait also ends when nothing but that is left, and the entry is zapped anew. And others may drop theirs
    while it is taken: that a reference is the first one is told by the addition itself, not by a look after it, or the
    page map would be held twice.
    """

    flaw = "N-54"
    replaces = (RequestFoliosInsertReferences,)

    class dax(Dax):
        async def keep_entry(self, xas: XaState, vmf: Fault, entry: Entry) -> tuple[VmFault | None, Entry]:
            error, entry = await super().keep_entry(xas, vmf, entry)
            if error is not None or not entry.zap:
                return error, entry
            memremap = cast(RequestFoliosInsertReferences.memremap, self.k.memremap)
            first = xas.index - xas.index % entry.size(self.k.machine)
            taken: list[Page] = []
            for offset, folio in enumerate(await self.mapped_folios(entry)):
                if not await memremap.pgmap_request_folios(await folio.pgmap.read(), folio, 1):
                    for each in taken:
                        await memremap.pgmap_release_folios(each, 1)
                    return VmFault.SIGBUS, entry
                taken.append(folio)
                if await folio.mapping.read() is None:
                    # free_zone_device_page of v3 has cleared it (N-56).
                    await folio.mapping.write(vmf.vma.mapping)
                    await folio.index.write(first + offset)
            entry = entry._replace(zap=False)
            await self.dax_lock_entry(xas, entry)
            return None, entry

        async def page_idle(self, page: Page) -> bool:
            count = await page.refcount.read()
            if count != 1:
                return count == 0
            # A look without the lock: is that one the entry's?
            mapping = await page.mapping.read()
            if not isinstance(mapping, AddressSpace):
                return False
            entry = await mapping.i_pages.load(await page.index.read())
            return entry is not None and entry.real and not entry.zap

    class memremap(RequestFoliosInsertReferences.memremap):
        async def pgmap_request_folios(self, pgmap: DevPagemap, folio: Page, nr: int) -> bool:
            if await pgmap.ref.is_dying():
                self.k.warn("pgmap_request_folios: page map is dying", folio)
                return False
            for each in self.k.pages[folio.pfn : folio.pfn + nr]:
                if await each.refcount.add_return(1) == 1:
                    await pgmap.ref.tryget()
            return True

        async def page_ref_sub_return(self, page: Page, refs: int) -> int:
            count = await super().page_ref_sub_return(page, refs)
            if count == 1:
                await wake_up_var(self.k.var_waitqueues, page.address)
            return count
