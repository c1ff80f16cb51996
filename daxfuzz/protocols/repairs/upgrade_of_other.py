"""N-02: a writer on fuse uses a range that a reader has set up for reading."""

from __future__ import annotations

from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.fs.fuse_conn import Dmap
from daxfuzz.kernel.fs.fuse_dax import FuseDax
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixUpgradeOfOther(Repair):
    """Have a range mapped for writing when a writer finds that somebody has just set it up for reading.

    A reader and a writer both find no range for a slice. The reader sets one up first, read-only; the writer looks
    again in fuse_setup_new_dax_mapping (v5.10 and later), finds that range and writes through it. No upstream commit.
    """

    flaw = "N-02"

    class fuse_dax(FuseDax):
        async def fuse_fill_iomap_of_other(
            self, inode: Inode, index: int, write: bool, dmap: Dmap, pages: int
        ) -> Iomap:
            if write and not await dmap.writable.read():
                start = index // self.conn().range_pages
                error = await self.fuse_setup_one_mapping(inode, start, dmap, True, upgrade=True)
                if error:
                    return Iomap(None, error=error)
            return await super().fuse_fill_iomap_of_other(inode, index, write, dmap, pages)
