"""N-16: read faults of a block that files share associate it as if it were one file's."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import DaxFlag
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.memory import Fault
from daxfuzz.protocols.patch import Repair


class FixSharedReads(Repair):
    """Tell read faults, too, that an extent is shared, and count each file page that has it.

    v6.0 counts only what a write has copied. Two files that read one shared block name the page in turns: the second
    association warns and takes the page from the first file, whose entry then warns when it goes.
    """

    flaw = "N-16"
    upstream = "v6.2, fsdax,xfs: set the shared flag when file extent is shared"

    class dax(Dax):
        def dax_iter_flags(self, vmf: Fault, iomap: Iomap | None) -> int:
            flags = super().dax_iter_flags(vmf, iomap)
            return flags | DaxFlag.COW if iomap is not None and iomap.shared else flags

    class xfs(Xfs):
        async def xfs_read_iomap_begin(self, inode: Inode, index: int, pages: int) -> Iomap:
            await inode.ilock.down_read()
            pfn, length = await self.xfs_bmapi_read(inode, index, pages)
            shared = False
            if pfn is not None and await inode.reflink.read():
                shared, length = await self.xfs_reflink_trim_around_shared(pfn, length)
            await inode.ilock.up_read()
            return Iomap(pfn, shared=shared, pages=length)
