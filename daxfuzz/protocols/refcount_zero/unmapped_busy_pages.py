"""fs/dax: Return unmapped busy pages from dax_layout_busy_page_range() (cee91fa13a8e, v6.15)."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch


class ReturnUnmappedBusyPages(Patch):
    """fs/dax: Return unmapped busy pages from dax_layout_busy_page_range() (cee91fa13a8e, v6.15).

    A file that nobody maps any more may still have referenced pages (F-07).
    """

    class dax(Dax):
        async def dax_layout_busy_page(
            self, mapping: AddressSpace, first: int = 0, last: int | None = None
        ) -> Page | None:
            last = len(mapping.host.extents) - 1 if last is None else last
            await self.k.memory.unmap_mapping_pages(mapping, first, last + 1 - first)
            return await self.dax_layout_busy_page_range(mapping, first, last)
