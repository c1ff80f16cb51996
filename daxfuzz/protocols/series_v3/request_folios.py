"""Patches 10 and 22 to 24 of the series' third version, on top of v6.0: pages that are in use have references."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, cast

from daxfuzz.kernel.entry import DaxFlag, Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.memremap import DevPagemap, Memremap
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.series_v3.zap import IntroduceDaxZapMappings
from daxfuzz.sim import wake_up_var


class RequestFoliosInsertReferences(Patch):
    """fsdax: Use pgmap_request_folios(); all ZONE_DEVICE pages start at reference count 0 (10/25, 22/25 to 24/25).

    An entry holds one reference on each of its pages, from association until it is zapped; an idle page has none.
    The first reference of a page holds its page map, the last one lets go of it: memunmap_pages waits for both
    entries and pins. Pages of a copy-on-write entry get no reference (N-53), nothing but the zap drops one (N-55), and
    a fault on a zapped entry takes none (N-54).
    """

    adds: ClassVar = {"memremap": ("pgmap_request_folios", "pgmap_release_folios")}

    class memremap(Memremap):
        def born_references(self, folios: int) -> int:
            return 0

        async def put_born_references(self, pgmap: DevPagemap) -> None:
            return

        def entry_pgmap_references(self, entry: Entry) -> int:
            heads = {self.k.pages[pfn].head.value.pfn for pfn in entry.pfns(self.k.machine)}
            return len(heads) * self.k.dax.entry_references(entry)

        def page_pgmap_references(self, refcount: int) -> int:
            return int(refcount > 0)

        def pgmap_references(self, entries: Iterable[Entry], refcounts: Iterable[int]) -> int:
            return 1 + sum(map(self.page_pgmap_references, refcounts))

        async def pgmap_request_folios(self, pgmap: DevPagemap, folio: Page, nr: int) -> bool:
            """Take a first reference on each of some folios: False on a dying page map. Callers exclude each other."""
            if await pgmap.ref.is_dying():
                self.k.warn("pgmap_request_folios: page map is dying", folio)
                return False
            for each in self.k.pages[folio.pfn : folio.pfn + nr]:
                await each.refcount.add(1)
                if await each.refcount.read() == 1:
                    await pgmap.ref.tryget()
            return True

        async def pgmap_release_folios(self, folio: Page, nr: int) -> None:
            """Drop a reference on each of some folios."""
            for each in self.k.pages[folio.pfn : folio.pfn + nr]:
                await self.folio_put_refs(each, 1)

        async def free_zone_device_page(self, page: Page) -> None:
            # The count is 0 for everybody to see already, so the page may have been requested again by now (N-56).
            await page.pgmap.read()
            await wake_up_var(self.k.var_waitqueues, page.address)
            await page.mapping.write(None)
            await self.put_dev_pagemap(await page.pgmap.read())

    class dax(IntroduceDaxZapMappings.dax):
        def idle_refcount(self) -> int:
            return 0

        def entry_references(self, entry: Entry) -> int:
            return 1 if entry.real and not entry.zap else 0

        def page_busy(self, refcount: int) -> bool:
            return refcount != 0

        async def page_idle(self, page: Page) -> bool:
            return await page.refcount.read() == 0

        async def associate_page(self, page: Page, mapping: AddressSpace, index: int, flags: int) -> VmFault | None:
            if flags & DaxFlag.COW:
                return await super().associate_page(page, mapping, index, flags)
            if await page.mapping.read() is not None:
                self.k.warn("dax_associate_entry: page is associated already", page)
            memremap = cast("RequestFoliosInsertReferences.memremap", self.k.memremap)
            if not await memremap.pgmap_request_folios(await page.pgmap.read(), page, 1):
                return VmFault.SIGBUS
            await page.mapping.write(mapping)
            await page.index.write(index)
            return None

        async def reassociate(self, entry: Entry, new: Entry, vmf: Fault, flags: int) -> VmFault | None:
            await self.dax_disassociate_entry(entry, vmf.vma.mapping, trunc=False)
            return await self.dax_associate_entry(new, vmf.vma.mapping, vmf, flags)

        async def dax_busy_page(self, xas: XaState, entry: Entry) -> Page | None:
            memremap = cast("RequestFoliosInsertReferences.memremap", self.k.memremap)
            found = None
            for folio in await self.mapped_folios(entry):
                if not entry.zap:
                    await memremap.pgmap_release_folios(folio, 1)
                if found is None and self.page_busy(await folio.refcount.read()):
                    found = folio
            if entry.real and not entry.zap:
                await self.dax_zap_entry(xas, entry)
            return found
