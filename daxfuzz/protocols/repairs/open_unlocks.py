"""N-03: open(O_TRUNC) on fuse keeps invalidate_lock after a signal."""

from __future__ import annotations

from daxfuzz.kernel.fs.fuse import Fuse
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixOpenUnlocks(Repair):
    """Drop invalidate_lock when a signal ends the wait for busy pages in open(O_TRUNC).

    The error path of fuse_open_common (v5.10 and later) jumps past the unlock. Every later fault, truncate and
    reclaim of the file waits for ever. No upstream commit.
    """

    flaw = "N-03"

    class fuse(Fuse):
        async def abort_open(self, inode: Inode) -> None:
            await inode.i_mapping.invalidate_lock.up_write()
