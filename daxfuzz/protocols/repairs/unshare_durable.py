"""N-201: a block is written in place although a crash would give it back to another file."""

from __future__ import annotations

from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixUnshareDurable(Repair):
    """Force the log before a block is written to that has lost an owner in a transaction which is not durable.

    v6.0 to v6.19, xfs: two files share a block. One of them copies it on a write, and that transaction is only in
    memory. The other one now has the block alone (the refcount btree says so), writes to it in place, and syncs: its
    own inode has not changed, so the log is not forced. After a crash the first file has the block again, with what
    the second one wrote. Blocks without an owner are kept from that by the list of busy extents; a block that keeps
    one is not on it.

    A write waits for the log once after each such copy.
    """

    flaw = "N-201"

    class xfs(Xfs):
        async def xfs_direct_write_iomap_begin(self, inode: Inode, index: int, pages: int) -> Iomap | None:
            iomap = await super().xfs_direct_write_iomap_begin(inode, index, pages)
            if iomap is not None and iomap.pfn is not None and not (iomap.shared or iomap.new):
                for pfn in range(iomap.pfn, iomap.pfn + iomap.pages):
                    if await self.k.allocator.busy(pfn):
                        await self.k.journal.force_commit()
            return iomap
