"""N-330: a write fault does not wait for who is about to remap the block that it has mapped."""

from __future__ import annotations

from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixEndCowUnderIlock(Repair):
    """Take ILOCK before the CoW fork is looked at (xfs_reflink_end_cow_extent, v6.0 to v6.9).

    The extent leaves the CoW fork before the transaction gets the AGF, for which write(2) to a shared page may have to
    wait: a memory failure of the old block has it, and asks the reverse map. A write fault on the page has the new
    block in the entry by then, sees that the fork is empty, and unlocks the entry. The failure takes the healthy copy
    for the failed block that its record names: it is marked and unmapped, and its user signalled.
    """

    flaw = "N-330"
    upstream = "86de848403ab"

    class xfs(Xfs):
        async def no_cow_extents(self, inode: Inode) -> bool:
            return False
