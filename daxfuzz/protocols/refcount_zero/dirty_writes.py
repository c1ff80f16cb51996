"""fsdax, xfs: Set the shared flag when file extent is shared (v6.2)."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import DaxFlag
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.memory import Fault
from daxfuzz.protocols.patch import Patch


class DirtyOnlyWrites(Patch):
    """fsdax, xfs: Set the shared flag when file extent is shared, and mark entries dirty for writes only (v6.2).

    A shared extent counts as such for reads, too, where v6.0 looked only at writes to one.
    """

    class dax(Dax):
        def dax_iter_flags(self, vmf: Fault, iomap: Iomap | None) -> int:
            if iomap is None:
                return 0
            dirty = vmf.write and not self.k.dax_fault.dax_fault_is_synchronous(vmf, iomap)
            return (DaxFlag.DIRTY if dirty else 0) | (DaxFlag.COW if iomap.shared else 0)

    class xfs(Xfs):
        async def xfs_read_iomap_begin(self, inode: Inode, index: int, pages: int) -> Iomap:
            await inode.ilock.down_read()
            pfn, length = await self.xfs_bmapi_read(inode, index, pages)
            shared = False
            if pfn is not None and await inode.reflink.read():
                shared, length = await self.xfs_reflink_trim_around_shared(pfn, length)
            await inode.ilock.up_read()
            return Iomap(pfn, shared=shared, pages=length)
