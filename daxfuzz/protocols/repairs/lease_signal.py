"""N-18: who waits for a lease spins after a signal."""

from __future__ import annotations

from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixLeaseSignal(Repair):
    """Heed the error of the wait for a lease.

    xfs_break_leased_layouts (v6.0 to v6.19) overwrites it with the next look at the lease. With a signal pending the
    wait ends at once, so that the task takes and drops its locks until the client gives the lease back, and cannot be
    killed. Nothing upstream.
    """

    flaw = "N-18"

    class xfs(Xfs):
        async def xfs_break_leased_layouts(self, inode: Inode, mmaplock: bool) -> tuple[int, bool]:
            unlocked = False
            while await self.break_layout(inode, wait=False):
                unlocked = True
                error = await self.xfs_wait_leased_layout(inode, mmaplock)
                if error:
                    return error, unlocked
            return 0, unlocked
