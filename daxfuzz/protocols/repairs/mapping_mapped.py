"""F-07: a file that nobody maps any more counts as idle."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair


class FixMappingMapped(Repair):
    """Look for busy pages also in a file that no VMA maps.

    A page can stay referenced after munmap. dax_layout_busy_page returned early when i_mmap was empty, so truncate
    freed the block under the reference. Upstream dropped the test in v6.15.
    """

    flaw = "F-07"
    upstream = "cee91fa13a8e"

    class dax(Dax):
        async def dax_layout_busy_page(
            self, mapping: AddressSpace, first: int = 0, last: int | None = None
        ) -> Page | None:
            last = len(mapping.host.extents) - 1 if last is None else last
            await self.k.memory.unmap_mapping_pages(mapping, first, last + 1 - first)
            return await self.dax_layout_busy_page_range(mapping, first, last)
