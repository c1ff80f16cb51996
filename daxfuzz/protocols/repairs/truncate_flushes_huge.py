"""N-22: truncation in the middle of a PMD entry forgets that the part which stays is dirty."""

from __future__ import annotations

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.truncate import Truncate
from daxfuzz.protocols.patch import Repair


class FixTruncateFlushesHuge(Repair):
    """Write a PMD entry back before truncation deletes it for a part of its pages (dax_delete_mapping_entry, v6.0).

    The entry goes as a whole, with its DIRTY tag and without a flush; the pages that stay in the file are not written
    by any later fsync. A stores to the first page through a PMD, truncates the file behind it, and calls fsync, which
    returns 0. Punching a hole writes back first. Nothing upstream.
    """

    flaw = "N-22"

    class truncate(Truncate):
        async def truncate_inode_pages_range(self, mapping: AddressSpace, first: int, last: int) -> None:
            size = self.k.machine.pmd_pages
            edges = [index for index, inside in ((first, first % size), (last, (last + 1) % size)) if inside]
            for index in edges if first <= last else ():
                entry: Entry | None = await mapping.i_pages.load(index)
                if entry is not None and entry.huge and entry.real:
                    await self.k.dax_writeback.dax_writeback_mapping_range(mapping, index, index)
            await super().truncate_inode_pages_range(mapping, first, last)
