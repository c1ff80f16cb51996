"""N-01: inline reclaim on fuse returns a range that it does not own any more."""

from __future__ import annotations

from daxfuzz.kernel.fs.fuse_conn import Dmap
from daxfuzz.kernel.fs.fuse_dax import FuseDax
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixInlineReclaimPointer(Repair):
    """Return no range when the slice has lost its own during the wait for pages.

    inode_inline_reclaim_one_dmap (v5.10 and later) sets its retry flag then, but leaves the pointer that it found
    before, and the caller looks at the pointer first. While it slept without invalidate_lock the worker had freed that
    range, and another file may have it: the two files share one range. No upstream commit.
    """

    flaw = "N-01"

    class fuse_dax(FuseDax):
        async def inline_reclaim_locked(self, inode: Inode, dmap: Dmap, start: int) -> tuple[Dmap | int | None, bool]:
            if await self.lookup(inode, start) is None:
                return None, True
            return await super().inline_reclaim_locked(inode, dmap, start)
