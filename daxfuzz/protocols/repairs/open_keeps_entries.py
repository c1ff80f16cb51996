"""N-04: open(2) on fuse deletes entries of pinned pages."""

from __future__ import annotations

from daxfuzz.kernel.fs.fuse import Fuse
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixOpenKeepsEntries(Repair):
    """Do not invalidate the page cache of a DAX file at open(2).

    fuse_open_common (v5.10 and later) calls invalidate_inode_pages2 with no lock, and waits for nobody's pages. It
    deletes the entries that fsync has cleaned; truncate and reclaim then find nothing to wait for, and the range of a
    pinned page goes to another file. There is nothing stale to drop: the window shows the host's own pages. No
    upstream commit.
    """

    flaw = "N-04"

    class fuse(Fuse):
        async def invalidate_on_open(self, inode: Inode) -> None:
            return
