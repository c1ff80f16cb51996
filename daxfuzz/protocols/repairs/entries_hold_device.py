"""F-32: the removal of a device waits for entries that nobody deletes."""

from __future__ import annotations

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.association_failure import FixAssociationFailure
from daxfuzz.protocols.repairs.invalidate_entries import invalidate_inodes


class FixEntriesHoldDevice(Repair):
    """After the device has died, unmap all files and delete their entries, for the references that they hold.

    Since patch 07 of the series' first version the entries of cached files hold references of the page map, in the
    third version by way of their pages. memunmap_pages waits for them, and no one has to close or truncate the file.
    A fault and an unbind: no race. Zapped entries hold nothing and stay (N-62). That waits for the faults under way,
    too, before the page map dies, so no association fails any more (F-20).
    """

    flaw = "F-32"
    supersedes = (FixAssociationFailure,)

    class dax_device(DaxDevice):
        async def pmem_release_disk(self) -> None:
            await super().pmem_release_disk()
            await invalidate_inodes(self.k, lambda entry: not entry.zap)
