"""F-08: the scan skips entries that somebody has locked."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Repair


class FixSkipLocked(Repair):
    """Wait for a locked entry during the scan, and test that very entry afterwards.

    Inside a walk get_unlocked_entry finds nothing, so an entry that fsync had locked was taken for idle. The repair
    waits, as upstream does since v6.15 and, without moving on to the next entry, since v6.16.
    """

    flaw = "F-08"
    upstream = "6be3e21d25ca, dd59137bfe70"

    class dax(Dax):
        async def wait_scanned_entry(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> Entry | None:
            xas.reset()
            return await self.get_unlocked_entry(mapping, xas)
