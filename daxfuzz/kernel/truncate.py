"""Removal of the page cache of a range (mm/truncate.c, v6.0), for files that hold DAX entries only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EBUSY
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.kernel.xarray import Mark

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import AddressSpace


FOLIO_BATCH = 15
"""PAGEVEC_SIZE: entries looked up at a time."""


class Truncate(Subsystem):
    """truncate_pagecache and what it calls."""

    async def truncate_pagecache(self, mapping: AddressSpace, size: int) -> None:
        """Unmap what lies beyond a new size, delete the entries, and unmap again for the pages mapped meanwhile."""
        last = len(mapping.host.extents) - 1
        await self.k.memory.unmap_mapping_pages(mapping, size, last + 1 - size, even_cows=True)
        await self.truncate_inode_pages_range(mapping, size, last)
        await self.k.memory.unmap_mapping_pages(mapping, size, last + 1 - size, even_cows=True)

    async def truncate_pagecache_range(self, mapping: AddressSpace, first: int, last: int) -> None:
        """The same for a hole, with one unmap, which leaves private copies alone."""
        await self.k.memory.unmap_mapping_pages(mapping, first, last + 1 - first)
        await self.truncate_inode_pages_range(mapping, first, last)

    async def truncate_inode_pages_range(self, mapping: AddressSpace, first: int, last: int) -> None:
        """Delete all entries of a range: one pass, then batches from the start until there are none."""
        if mapping.on_truncate is not None:
            mapping.on_truncate()
        if await mapping.i_pages.empty():
            return
        index = first
        while index <= last and (indices := await self.find_lock_entries(mapping, index, last)):
            await self.truncate_folio_batch_exceptionals(mapping, indices)
            index = indices[-1] + 1
        while first <= last and (indices := await self.find_lock_entries(mapping, first, last)):
            await self.truncate_folio_batch_exceptionals(mapping, indices)

    async def truncate_inode_pages_final(self, mapping: AddressSpace) -> None:
        """Delete everything, at the end of the inode's life. xa_lock is cycled for who has not seen AS_EXITING."""
        await mapping.exiting.write(True)
        if not await mapping.i_pages.empty():
            await mapping.i_pages.lock.acquire()
            await mapping.i_pages.lock.release()
        await self.truncate_inode_pages_range(mapping, 0, len(mapping.host.extents) - 1)

    async def invalidate_inode_pages2_range(self, mapping: AddressSpace, first: int, last: int) -> int:
        """Delete the clean entries of a range, and only then unmap all of it: 0, or -EBUSY if an entry is left.

        Nobody is waited for but the holders of entry locks; the caller answers for the pages' users.
        """
        if await mapping.i_pages.empty():
            return 0
        error = 0
        index = first
        while index <= last and (indices := await self.find_lock_entries(mapping, index, last)):
            for each in indices:
                if not await self.k.dax.dax_invalidate_mapping_entry_sync(mapping, each):
                    error = -EBUSY
            index = indices[-1] + 1
        await self.k.memory.unmap_mapping_pages(mapping, first, last + 1 - first)
        return error

    async def invalidate_mapping_pages(self, mapping: AddressSpace) -> None:
        """invalidate_mapping_pages of a whole file: looks at all entries and leaves those of DAX alone."""
        index = 0
        while indices := await self.find_lock_entries(mapping, index, len(mapping.host.extents) - 1):
            index = indices[-1] + 1

    async def find_lock_entries(self, mapping: AddressSpace, first: int, last: int) -> list[int]:
        """find_lock_entries and find_get_entries: indices of a batch of entries, by an RCU walk without xa_lock."""
        indices: list[int] = []
        await self.k.rcu.read_lock()
        while first <= last and len(indices) < FOLIO_BATCH:
            found = await mapping.i_pages.find(first, last)
            if found is None:
                break
            indices.append(found.at)
            first = found.end
        await self.k.rcu.read_unlock()
        return indices

    async def truncate_folio_batch_exceptionals(self, mapping: AddressSpace, indices: list[int]) -> None:
        """Delete the entries of a batch."""
        for index in indices:
            await self.k.dax.dax_delete_mapping_entry(mapping, index)

    async def filemap_fdatawrite_range(self, mapping: AddressSpace, first: int, last: int) -> int:
        """Write a range back if anything of the file is dirty (mm/filemap.c, v6.0): 0 or an error."""
        if not await mapping.i_pages.marked(Mark.DIRTY):
            return 0
        return await self.k.dax_writeback.dax_writeback_mapping_range(mapping, first, last)

    async def filemap_write_and_wait_range(self, mapping: AddressSpace, first: int, last: int) -> int:
        """The same, if there is anything of the file at all. DAX has nothing to wait for."""
        if await mapping.i_pages.empty():
            return 0
        return await self.filemap_fdatawrite_range(mapping, first, last)
