"""N-21: fsync does not wait for a writeback that somebody else has begun."""

from __future__ import annotations

from daxfuzz.kernel.dax_writeback import DaxWriteback
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.xarray import Mark, XaState
from daxfuzz.protocols.patch import Repair


class FixWritebackWaits(Repair):
    """Wait for an entry that another fsync is writing back (dax_writeback_one, v6.0 to v6.19).

    Inside the walk get_unlocked_entry finds nothing, so that a locked entry is skipped; and an entry whose TOWRITE mark
    another fsync has cleared is not found at all. Either way fsync returns 0 before the data of an earlier store is
    flushed: A stores and calls fsync while B's fsync has locked the entry and not flushed it yet. The repair waits for
    the entry, as the scan for busy pages does since v6.15, and lets TOWRITE stand until the data is durable: whoever
    tagged the entry meanwhile finds it. Nothing upstream.
    """

    flaw = "N-21"

    class dax_writeback(DaxWriteback):
        async def wait_marked_entry(self, mapping: AddressSpace, xas: XaState) -> Entry | None:
            xas.reset()
            return await super().wait_marked_entry(mapping, xas)

        async def start_writeback(self, mapping: AddressSpace, xas: XaState) -> None:
            return

        async def end_writeback(self, mapping: AddressSpace, xas: XaState) -> None:
            await mapping.i_pages.clear_mark(xas.index, Mark.TOWRITE)
            await super().end_writeback(mapping, xas)

        async def still_to_write(
            self, mapping: AddressSpace, xas: XaState, old: Entry, entry: Entry | None
        ) -> tuple[int, bool]:
            """In v6.0 reads tag zero entries, too; there is nothing to write."""
            if entry is not None and not entry.real:
                return 0, False
            return await super().still_to_write(mapping, xas, old, entry)
