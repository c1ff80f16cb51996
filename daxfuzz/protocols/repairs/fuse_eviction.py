"""F-06b: eviction of fuse takes ranges back under pins (fs/fuse/inode.c, v6.15)."""

from __future__ import annotations

from typing import cast

from daxfuzz.kernel.fs.fuse import Fuse
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.refcount_zero.idle_before_unmount import EnsureIdleBeforeUnmount


class FixFuseEviction(Repair):
    """fuse: fix runtime warning on truncate_folio_batch_exceptionals() (v6.16).

    v6.15 made ext4 and xfs wait in eviction and forgot fuse: eviction finds entries, which the common code no longer
    expects, deletes them with a warning and gives their ranges back, whoever has pinned the pages.
    """

    flaw = "F-06b"
    upstream = "v6.16, fuse: fix runtime warning on truncate_folio_batch_exceptionals()"

    class fuse(Fuse):
        async def fuse_evict_inode(self, inode: Inode) -> None:
            await cast("EnsureIdleBeforeUnmount.dax", self.k.dax).dax_break_layout_final(inode)
            await super().fuse_evict_inode(inode)
