"""Patch 21 of the series' third version, on top of v6.0: what it does beyond patch 12 of the first."""

from __future__ import annotations

from typing import cast

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.series_v1.patch12_devdax import UseDaxInsertEntry
from daxfuzz.protocols.series_v3.zap import IntroduceDaxZapMappings


class BreakDevdaxLayouts(Patch):
    """devdax: Use dax_insert_entry() + dax_delete_mapping_entry() (21/25).

    The removal of a character device unmaps it, zaps its entries and waits, whatever signal comes, until its pages
    are idle; only then it deletes the entries.
    """

    replaces = (UseDaxInsertEntry,)

    class dax_device(DaxDevice):
        async def kill_dev_dax(self) -> None:
            await self.kill_dax()
            dax = cast("IntroduceDaxZapMappings.dax", self.k.dax)
            for inode in self.k.inodes.values():
                last = len(inode.extents) - 1
                await dax.dax_break_layouts(inode.i_mapping, 0, last)
                await self.k.truncate.truncate_inode_pages_range(inode.i_mapping, 0, last)
