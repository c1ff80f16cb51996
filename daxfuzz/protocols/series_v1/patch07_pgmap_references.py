"""Patch 07 of the series, on top of v6.0: entries hold references of the page map."""

from __future__ import annotations

from typing import ClassVar, cast

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.memremap import DevPagemap, Memremap
from daxfuzz.protocols.patch import Patch


class ManagePgmapReferences(Patch):
    """fsdax: Manage pgmap references at entry insertion and deletion (07/13).

    Each page of an entry holds a reference of the page map, from association to disassociation. Association fails
    with SIGBUS on a dying page map, which dax_insert_entry does not look at: entry and page-table entry are set
    without a reference (F-20).
    """

    adds: ClassVar = {"memremap": ("get_dev_pagemap_many", "put_dev_pagemap_many")}

    class memremap(Memremap):
        async def get_dev_pagemap_many(self, pfn: int, pgmap: DevPagemap | None, refs: int) -> DevPagemap | None:
            """Find the page map of a page and take references, unless `pgmap` is it already; None once it is dying."""
            found = await self.get_dev_pagemap(pfn, pgmap)
            if found is not None and found is not pgmap and refs > 1:
                await found.ref.get(refs - 1)
            return found

        async def put_dev_pagemap_many(self, pgmap: DevPagemap, refs: int) -> None:
            """Drop references that get_dev_pagemap_many took."""
            await pgmap.ref.put(refs)

        def entry_pgmap_references(self, entry: Entry) -> int:
            return len(entry.pfns(self.k.machine))

    class dax(Dax):
        async def dax_associate_entry(
            self, entry: Entry, mapping: AddressSpace, vmf: Fault, flags: int
        ) -> VmFault | None:
            memremap = cast("ManagePgmapReferences.memremap", self.k.memremap)
            pfns = entry.pfns(self.k.machine)
            if pfns and await memremap.get_dev_pagemap_many(pfns[0], None, len(pfns)) is None:
                return VmFault.SIGBUS
            return await super().dax_associate_entry(entry, mapping, vmf, flags)

        async def dax_disassociate_entry(self, entry: Entry, mapping: AddressSpace, trunc: bool) -> None:
            # The references go first, before the pages are touched, and also if other files keep the pages.
            memremap = cast("ManagePgmapReferences.memremap", self.k.memremap)
            if pfns := entry.pfns(self.k.machine):
                pgmap = await self.k.pages[pfns[0]].pgmap.read()
                await memremap.put_dev_pagemap_many(pgmap, len(pfns))
            await super().dax_disassociate_entry(entry, mapping, trunc)
