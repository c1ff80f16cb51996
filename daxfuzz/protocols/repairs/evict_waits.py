"""F-06: eviction does not wait for references to pages (fs/inode.c, fs/ext4/inode.c, v6.0)."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.fuse import Fuse
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.vfs import Vfs
from daxfuzz.protocols.patch import Repair
from daxfuzz.sim import TaskState, wait_var_event


class FixEvictWaits(Repair):
    """Wait in evict_inode, uninterruptibly, until no page of the file is in use.

    The last put of an unlinked file deletes its entries and frees its blocks, whoever holds references to the pages:
    a pin does not hold the file. Upstream waits since v6.15, before anything else is done and with no lock held. Who
    drops the last reference of a file whose page it has pinned itself waits for itself.
    """

    flaw = "F-06"
    upstream = "0e2f80afcfa6"
    adds: ClassVar = {"vfs": ("dax_break_layout_final", "wait_page_idle_uninterruptible")}

    class vfs(Vfs):
        async def dax_break_layout_final(self, inode: Inode) -> None:
            """Nobody can map the file or find it any more, so that what is idle stays so."""
            last = len(inode.extents) - 1
            while (page := await self.k.dax.dax_layout_busy_page_range(inode.i_mapping, 0, last)) is not None:
                await self.wait_page_idle_uninterruptible(page)

        async def wait_page_idle_uninterruptible(self, page: Page) -> None:
            """Sleep until a page is idle, without a lock."""
            dax = self.k.dax
            address = dax.idle_address(page)
            table = self.k.var_waitqueues
            await wait_var_event(table, address, lambda: dax.wait_is_over(page), TaskState.UNINTERRUPTIBLE)

    class ext4(Ext4):
        async def ext4_evict_inode(self, inode: Inode) -> None:
            vfs = self.k.vfs
            assert isinstance(vfs, FixEvictWaits.vfs)
            await vfs.dax_break_layout_final(inode)
            await super().ext4_evict_inode(inode)

    class xfs(Xfs):
        async def evict_inode(self, inode: Inode) -> None:
            vfs = self.k.vfs
            assert isinstance(vfs, FixEvictWaits.vfs)
            await vfs.dax_break_layout_final(inode)
            await super().evict_inode(inode)

    class fuse(Fuse):
        async def fuse_evict_inode(self, inode: Inode) -> None:
            vfs = self.k.vfs
            assert isinstance(vfs, FixEvictWaits.vfs)
            await vfs.dax_break_layout_final(inode)
            await super().fuse_evict_inode(inode)
