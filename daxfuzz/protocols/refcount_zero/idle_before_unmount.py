"""fs/dax: Ensure all pages are idle prior to filesystem unmount (0e2f80afcfa6, v6.15)."""

from __future__ import annotations

from typing import ClassVar, cast

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.refcount_zero.removed_entries import RemoveEntriesOnBreak
from daxfuzz.sim import TaskState, wait_var_event


class EnsureIdleBeforeUnmount(Patch):
    """fs/dax: Ensure all pages are idle prior to filesystem unmount (0e2f80afcfa6, v6.15).

    Eviction waits until no page of the file is busy, whether or not its blocks are freed then (F-06). No signal ends
    that wait: who drops the last reference of a file whose page it has pinned waits for itself.
    """

    adds: ClassVar = {"dax": ("dax_break_layout_final", "wait_page_idle_uninterruptible")}

    class dax(RemoveEntriesOnBreak.dax):
        async def dax_break_layout_final(self, inode: Inode) -> None:
            """Wait for the pages of a file that nobody can map any more, and delete its entries (fs/dax.c, v6.19)."""
            mapping = inode.i_mapping
            last = len(inode.extents) - 1
            while True:
                # In the kernel the unmap is part of dax_layout_busy_page_range.
                await self.k.memory.unmap_mapping_pages(mapping, 0, last + 1)
                page = await self.dax_layout_busy_page_range(mapping, 0, last)
                if page is None:
                    break
                await self.wait_page_idle_uninterruptible(page)
            await self.dax_delete_mapping_range(mapping, 0, last)

        async def wait_page_idle_uninterruptible(self, page: Page) -> None:
            """Sleep until a page is idle, without a lock (fs/dax.c, v6.19)."""
            address = self.idle_address(page)
            table = self.k.var_waitqueues
            await wait_var_event(table, address, lambda: self.wait_is_over(page), TaskState.UNINTERRUPTIBLE)

    class ext4(Ext4):
        async def ext4_evict_inode(self, inode: Inode) -> None:
            await cast("EnsureIdleBeforeUnmount.dax", self.k.dax).dax_break_layout_final(inode)
            await super().ext4_evict_inode(inode)

    class xfs(Xfs):
        async def evict_inode(self, inode: Inode) -> None:
            await cast("EnsureIdleBeforeUnmount.dax", self.k.dax).dax_break_layout_final(inode)
            await super().evict_inode(inode)
