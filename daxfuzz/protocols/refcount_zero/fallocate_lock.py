"""fuse: Lock inode unconditionally in fuse_file_fallocate() (v6.1)."""

from __future__ import annotations

from daxfuzz.kernel.fs.filesystem import Falloc
from daxfuzz.kernel.fs.fuse import Fuse
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Patch


class LockInodeInFallocate(Patch):
    """fuse: Lock inode unconditionally in fuse_file_fallocate() (v6.1).

    Preallocation that keeps the size took no lock at all.
    """

    class fuse(Fuse):
        async def fuse_file_fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> int:
            if mode is not Falloc.KEEP_SIZE:
                return await super().fuse_file_fallocate(inode, mode, first, length)
            await inode.i_rwsem.down_write()
            error = await super().fuse_file_fallocate(inode, mode, first, length)
            await inode.i_rwsem.up_write()
            return error
