"""N-11: a break deletes dirty entries, and nobody flushes their data any more."""

from __future__ import annotations

from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.refcount_zero.removed_entries import RemoveEntriesOnBreak


class FixFlushBeforeDelete(Repair):
    """Write a range back before its entries are deleted.

    v6.15 to v6.19, dax_break_layout: who truncates or punches anywhere in a file deletes all its entries, those of
    pages that stay included, with their DIRTY marks. A store through a mapping, truncate of another page, fsync: the
    fsync finds nothing to write, and a crash loses the store. One task is enough. An entry that somebody else writes
    back is locked; the deletion waits for it. Nothing upstream.
    """

    flaw = "N-11"

    class dax(RemoveEntriesOnBreak.dax):
        async def dax_delete_mapping_range(self, mapping: AddressSpace, first: int, last: int) -> None:
            await self.k.dax_writeback.dax_writeback_mapping_range(mapping, first, last)
            await super().dax_delete_mapping_range(mapping, first, last)
