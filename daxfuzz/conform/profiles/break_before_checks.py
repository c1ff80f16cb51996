"""v6.14: ext4 breaks the layout before it looks at the range."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Patch


class BreakBeforeChecks(Patch):
    """ext4: Move out common parts into ext4_fallocate() (v6.14; read at v6.19).

    Sequence collapse-all: a range that cannot be collapsed is refused as before, but the mappings of the file are gone
    by then, for the layout was broken first; so such a call waits for references, too. Known deviation: i_rwsem is
    dropped between the look at the size and a call that is not refused.
    """

    adds: ClassVar = {"ext4": ("ext4_break_unless",)}

    class ext4(Ext4):
        async def ext4_collapse_range(self, inode: Inode, first: int, length: int) -> int:
            error = await self.ext4_break_unless(inode, first + length)
            return error or await super().ext4_collapse_range(inode, first, length)

        async def ext4_insert_range(self, inode: Inode, first: int, length: int) -> int:
            error = await self.ext4_break_unless(inode, first)
            return error or await super().ext4_insert_range(inode, first, length)

        async def ext4_punch_hole(self, inode: Inode, first: int, length: int) -> int:
            error = await self.ext4_break_unless(inode, first)
            return error or await super().ext4_punch_hole(inode, first, length)

        async def ext4_break_unless(self, inode: Inode, page: int) -> int:
            """Break the layout unless a page is below the end: who goes on with the call does so then."""
            error = 0
            await inode.i_rwsem.down_write()
            if page >= await inode.i_size.read():
                await inode.i_mapping.invalidate_lock.down_write()
                error = await self.ext4_break_layouts(inode)
                await inode.i_mapping.invalidate_lock.up_write()
            await inode.i_rwsem.up_write()
            return error
