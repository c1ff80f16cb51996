"""fs/dax: Create a common implementation to break DAX layouts (v6.15)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar, cast

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.errno import EINVAL
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.fuse_dax import FuseDax
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.fs.xfs_reflink import SECOND
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Patch
from daxfuzz.sim.wait import ERESTARTSYS


class CommonBreakLayout(Patch):
    """fs/dax: Create a common implementation to break DAX layouts (v6.15).

    The loop of scan and wait moves from the file systems into fs/dax.c.
    """

    adds: ClassVar = {"dax": ("dax_break_layout", "dax_break_layout_inode")}

    class dax(Dax):
        async def dax_break_layout(
            self, inode: Inode, first: int, last: int, drop_locks: Callable[[int], Awaitable[None]] | None
        ) -> int:
            """Wait until no page of a range is busy (fs/dax.c, v6.19): 0, or -ERESTARTSYS after a signal.

            drop_locks: as of wait_page_idle; None not to wait, which gives -ERESTARTSYS if a page is busy.
            """
            mapping = inode.i_mapping
            error = 0
            while not error:
                # In the kernel dax_layout_busy_page_range, which unmaps, too.
                page = await self.dax_layout_busy_page(mapping, first, last)
                if page is None:
                    break
                error = -ERESTARTSYS if drop_locks is None else await self.wait_page_idle(page, drop_locks)
            return error

        def dax_break_layout_inode(
            self, inode: Inode, drop_locks: Callable[[int], Awaitable[None]] | None
        ) -> Awaitable[int]:
            """The same for a whole file (include/linux/dax.h, v6.19)."""
            return self.dax_break_layout(inode, 0, len(inode.extents) - 1, drop_locks)

    class ext4(Ext4):
        async def ext4_break_layouts(self, inode: Inode) -> int:
            if not inode.i_mapping.invalidate_lock.held_for_write():
                self.k.warn("ext4_break_layouts: invalidate_lock is not held", None)
                return -EINVAL
            dax = cast("CommonBreakLayout.dax", self.k.dax)
            return await dax.dax_break_layout_inode(inode, lambda address: self.ext4_wait_dax_page(inode, address))

    class fuse_dax(FuseDax):
        async def fuse_dax_break_layouts(self, inode: Inode, first: int, last: int) -> int:
            dax = cast("CommonBreakLayout.dax", self.k.dax)
            return await dax.dax_break_layout(
                inode, first, last, lambda address: self.fuse_wait_dax_page(inode, address)
            )

    class xfs(Xfs):
        async def xfs_break_dax_layouts(self, inode: Inode) -> tuple[int, bool]:
            """Wait until no page of the file is busy; nobody has to look again."""
            if not inode.i_mapping.invalidate_lock.held_for_write():
                self.k.warn("xfs_break_dax_layouts: MMAPLOCK is not held", None)
            dax = cast("CommonBreakLayout.dax", self.k.dax)
            return await dax.dax_break_layout_inode(
                inode, lambda address: self.xfs_wait_dax_page(inode, address)
            ), False

        async def xfs_second_mmaplock(self, inode: Inode) -> bool:
            await inode.i_mapping.invalidate_lock.down_write(subclass=SECOND)
            if not await cast("CommonBreakLayout.dax", self.k.dax).dax_break_layout_inode(inode, None):
                return True
            await inode.i_mapping.invalidate_lock.up_write()
            return False
