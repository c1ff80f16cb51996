"""All kernels: open(2) for writing waits for a frozen file system before it looks a name up."""

from __future__ import annotations

from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.vfs import Vfs
from daxfuzz.protocols.patch import Patch


class OpenWantsWrite(Patch):
    """fs: A name that is not cached is looked up with the right to write (open_last_lookups, v6.0).

    Seen on generated sequences: write, unlink and freeze by one process that has the file open, then open with O_TRUNC
    by another. The name is not cached then, and the second waits for the thaw before it gets ENOENT. Known deviation:
    what counts is whether the file is in use now, not whether it was when it was unlinked.
    """

    class vfs(Vfs):
        async def do_sys_open(self, inode: Inode, truncate: bool) -> int:
            if not await inode.i_nlink.read() and await inode.i_count.read():
                await self.k.sb.writers.down_read()
                await self.k.sb.writers.up_read()
            return await super().do_sys_open(inode, truncate)
