"""F-31: memory reclaim evicts a file that has lost its name meanwhile."""

from __future__ import annotations

from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.vfs import Vfs
from daxfuzz.kernel.vmscan import Vmscan
from daxfuzz.protocols.patch import Repair


class FixLruPinsInode(Repair):
    """vfs: Don't evict inode under the inode lru traversing context (v6.11).

    inode_lru_isolate (v6.0) holds an unused inode while it drops its page cache. If the file is unlinked meanwhile, it
    has the last reference, and evicts the inode in the middle of somebody's allocation. Where eviction waits for pages
    (F-06 repaired, series-v3), it waits for the pin of whoever allocates, or of a task that needs a lock of that one.
    ext4 also starts a transaction there: a commit that is under way waits for a write fault's handle, which waits for
    the entry lock that the allocating read fault holds. The repair marks the inode in place of the reference, and lets
    eviction wait for the mark.
    """

    flaw = "F-31"
    upstream = "2a0629834cd8"

    class vmscan(Vmscan):
        async def isolate_inode(self, inode: Inode) -> None:
            await inode.i_lru_isolating.acquire()
            if await inode.i_count.read():
                await self.k.truncate.invalidate_mapping_pages(inode.i_mapping)
            await inode.i_lru_isolating.release()

    class vfs(Vfs):
        async def evict(self, inode: Inode) -> None:
            await inode.i_lru_isolating.acquire()
            await inode.i_lru_isolating.release()
            await super().evict(inode)
