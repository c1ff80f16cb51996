"""N-62: a zapped entry outlives the page structs (series v3, drivers/dax/mapping.c)."""

from __future__ import annotations

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.invalidate_entries import invalidate_inodes


class FixZappedEntriesStay(Repair):
    """After the device has died, unmap all files and delete their zapped entries.

    In v3 an entry that was zapped holds nothing, but stays in i_pages. A truncate of the second page zaps the first;
    unbind completes; the next truncate, fsync or eviction looks at the struct of the first page, which is gone.
    """

    flaw = "N-62"

    class dax_device(DaxDevice):
        async def pmem_release_disk(self) -> None:
            await super().pmem_release_disk()
            await invalidate_inodes(self.k, lambda entry: entry.zap)
