"""Patches 01 to 03 of the series' third version, on top of v6.0: what is waited for."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch


class WaitOnPage(Patch):
    """fsdax: Wait on @page, use dax_page_idle(), include unmapped inodes (01/25 to 03/25).

    A wait is keyed by the page. A file that nobody maps is searched for busy pages, too.
    """

    class dax(Dax):
        def idle_address(self, page: Page) -> int:
            return page.address

        async def dax_layout_busy_page(
            self, mapping: AddressSpace, first: int = 0, last: int | None = None
        ) -> Page | None:
            last = len(mapping.host.extents) - 1 if last is None else last
            await self.k.memory.unmap_mapping_pages(mapping, first, last + 1 - first)
            return await self.dax_layout_busy_page_range(mapping, first, last)
