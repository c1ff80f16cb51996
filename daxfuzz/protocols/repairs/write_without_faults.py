"""N-05: write(2) on fuse waits for a range while it keeps one."""

from __future__ import annotations

from daxfuzz.kernel.dax_io import DaxIo
from daxfuzz.kernel.errno import EFAULT
from daxfuzz.kernel.fs.filesystem import UserCopy
from daxfuzz.kernel.fs.fuse_dax import FuseDax
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixWriteWithoutFaults(Repair):
    """Copy the user's data with page faults disabled; if it is not there, write by a request, which needs no range.

    dax_iomap_rw copies while the iomap keeps its range from reclaim (fuse_iomap_begin, v5.10 to v6.19). If the buffer
    maps a file of the same mount, the copy may fault, and the fault waits for a free range, uninterruptibly. As many
    such writes as there are ranges wait for each other for ever; with one range that is a single pwrite(2). The request
    touches the buffer with no range in use, as it does when the file grows. No upstream fix known.
    """

    flaw = "N-05"

    class dax_io(DaxIo):
        def pagefault_disabled(self) -> bool:
            return self.k.fuse_conn is not None

    class fuse_dax(FuseDax):
        async def fuse_dax_window_write(self, inode: Inode, index: int, value: int, copy: UserCopy | None) -> int:
            error = await super().fuse_dax_window_write(inode, index, value, copy)
            if error == -EFAULT:
                return await self.fuse_dax_direct_write(inode, index, value, copy)
            return error
