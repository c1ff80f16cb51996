"""F-23 for character devices of the series: what leads to the pages of a removed device stays."""

from __future__ import annotations

from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.invalidate_entries import invalidate_entries
from daxfuzz.protocols.series_v1.patch12_devdax import UseDaxInsertEntry


class FixDevdaxUnmaps(Repair):
    """Unmap the device, too, when it is removed (kill_dev_dax).

    v6.0 does unmap; patch 12 of the series' first version truncates the inode in place of that, which deletes entries
    and leaves page tables as they are: the next load goes to memory that is gone. The truncation also warns of pages
    that are pinned, though a pin of such a page is no fault: who removes the device has to wait for it (F-13). Here
    entries go without that look. The third version of the series waits before it truncates.
    """

    flaw = "F-23"
    upstream = "patch 21 of the series' third version (not merged)"

    class dax_device(UseDaxInsertEntry.dax_device):
        async def kill_dev_dax(self) -> None:
            await self.kill_dax()
            for inode in self.k.inodes.values():
                await self.k.memory.unmap_mapping_pages(inode.i_mapping, 0, len(inode.extents))
                await invalidate_entries(self.k, inode.i_mapping, lambda entry: True)
