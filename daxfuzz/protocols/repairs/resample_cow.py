"""N-24: a write goes to the block that the file had before ILOCK was dropped."""

from __future__ import annotations

from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixResampleCow(Repair):
    """Look the data fork up again in xfs_reflink_fill_cow_hole (v6.0 to v6.19).

    ILOCK is dropped to start the transaction that allocates the copy. The CoW fork is looked up again afterwards, and
    whether the block is still shared, but not which block it is: A, a write(2), finds block b shared. B, a fault of
    the same page, copies b to c and remaps the file to c, so that b is the other file's alone. A finds that b is not
    shared, and writes to it: into the other file, or, if that has given b up meanwhile, into a free block. Nothing
    upstream in these versions.
    """

    flaw = "N-24"

    class xfs(Xfs):
        async def xfs_reflink_resample(self, inode: Inode, index: int, pfn: int, pages: int) -> tuple[int | None, int]:
            return await self.xfs_bmapi_read(inode, index, pages)
