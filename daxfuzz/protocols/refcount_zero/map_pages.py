"""xfs: Remove xfs_filemap_map_pages() wrapper (v6.4)."""

from __future__ import annotations

from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.memory import Fault
from daxfuzz.protocols.patch import Patch


class RemoveMapPagesWrapper(Patch):
    """xfs: Remove xfs_filemap_map_pages() wrapper (v6.4).

    Fault-around needs no MMAPLOCK for what it does with folios, and passes over entries of DAX.
    """

    class xfs(Xfs):
        async def xfs_filemap_map_pages(self, vmf: Fault) -> None:
            await self.filemap_map_pages(vmf)
