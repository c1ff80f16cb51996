"""F-09: fuse breaks the layout of the first page where it means the whole file."""

from __future__ import annotations

from collections.abc import Awaitable

from daxfuzz.kernel.fs.fuse import Fuse
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixFuseWholeFile(Repair):
    """Unmap and scan the whole file before truncate, fallocate and open(O_TRUNC).

    Up to v6.14 fuse_dax_break_layouts was called with bytes 0 to 0. Page 1 of a file stayed mapped while the server
    truncated, and whoever had pinned it was not waited for.
    """

    flaw = "F-09"
    upstream = "7851bf649d42"

    class fuse(Fuse):
        def break_file_layouts(self, inode: Inode) -> Awaitable[int]:
            return self.k.fuse_dax.fuse_dax_break_layouts(inode, 0, len(inode.extents) - 1)
