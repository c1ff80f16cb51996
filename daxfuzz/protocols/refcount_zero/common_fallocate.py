"""ext4: Move out common parts into ext4_fallocate() (2890e5e0f49e, v6.14)."""

from __future__ import annotations

from daxfuzz.kernel.errno import EFBIG, EINVAL
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.filesystem import Falloc
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Patch


class MoveOutCommonFallocate(Patch):
    """ext4: Move out common parts into ext4_fallocate() (2890e5e0f49e, v6.14).

    Locks are taken and the layout is broken in one place, before a mode looks at the range: what is refused, and a hole
    beyond the end, unmaps the file and waits for its pages, too. The changes that led there are part of this: a hole is
    not written back first, and a range to insert is looked at before the size that would come of it.
    """

    class ext4(Ext4):
        async def ext4_fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> int:
            await inode.i_rwsem.down_write()
            if mode in (Falloc.ALLOCATE, Falloc.KEEP_SIZE):
                error = await self.ext4_do_fallocate(inode, first, length, mode is Falloc.KEEP_SIZE)
            else:
                await inode.i_mapping.invalidate_lock.down_write()
                error = await self.ext4_break_layouts(inode)
                if not error:
                    # It breaks no layout any more.
                    error = await super().ext4_fallocate(inode, mode, first, length)
                await inode.i_mapping.invalidate_lock.up_write()
            await inode.i_rwsem.up_write()
            return error

        async def ext4_do_fallocate(self, inode: Inode, first: int, length: int, keep_size: bool) -> int:
            """Preallocation; i_rwsem is held."""
            return await self.ext4_preallocate(inode, first, length, keep_size)

        async def ext4_punch_hole(self, inode: Inode, first: int, length: int) -> int:
            """Drop the page cache of the range, and free its blocks; the layout is broken."""
            size = await inode.i_size.read()
            if first < size:
                # A hole that reaches beyond the end stops there.
                await self.ext4_punch_blocks(inode, first, min(first + length, size) - 1)
            return 0

        async def ext4_zero_range(self, inode: Inode, first: int, length: int) -> int:
            """Drop the page cache of the range, and make it unwritten; the layout is broken."""
            size = await inode.i_size.read()
            return await self.ext4_zero_blocks(inode, first, length, first + length if first + length > size else None)

        async def ext4_collapse_range(self, inode: Inode, first: int, length: int) -> int:
            """Remove a range and move what follows it: 0, or -EINVAL if nothing does; the layout is broken."""
            size = await inode.i_size.read()
            if first + length >= size:
                return -EINVAL
            return await self.ext4_collapse_blocks(inode, first, length, size)

        async def ext4_insert_range(self, inode: Inode, first: int, length: int) -> int:
            """Move what is at and behind a page: 0, -EINVAL beyond the end, or -EFBIG; the layout is broken."""
            size = await inode.i_size.read()
            if first >= size:
                return -EINVAL
            if size + length > len(inode.extents) or not await self.ext4_can_shift(inode, length):
                return -EFBIG
            return await self.ext4_insert_blocks(inode, first, length, size)
