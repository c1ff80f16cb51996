"""F-11b: reflink spins on a busy page of the second file."""

from __future__ import annotations

from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixSecondMmaplock(Repair):
    """Wait for the second file's busy page with the first one unlocked, and begin again after it.

    xfs_mmaplock_two_inodes_and_break_dax_layout goes back to the first file, whose pages are idle, whenever the
    second one has a busy page: it never sleeps and never looks at signals while the page is pinned. No upstream
    commit: v6.19 still does.
    """

    flaw = "F-11b"

    class xfs(Xfs):
        async def xfs_mmaplock_two_inodes_and_break_dax_layout(self, one: Inode, other: Inode) -> int:
            if one.number > other.number:
                one, other = other, one
            while True:
                await one.i_mapping.invalidate_lock.down_write()
                error, retry = await self.xfs_break_dax_layouts(one)
                if not error and not retry and (one is other or await self.xfs_second_mmaplock(other)):
                    return 0
                await one.i_mapping.invalidate_lock.up_write()
                if not error and not retry:
                    await other.i_mapping.invalidate_lock.down_write()
                    error, _ = await self.xfs_break_dax_layouts(other)
                    await other.i_mapping.invalidate_lock.up_write()
                if error:
                    return error
