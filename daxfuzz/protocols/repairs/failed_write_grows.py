"""N-331: a write that fails beyond the end of a file makes it larger."""

from __future__ import annotations

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixFailedWriteGrows(Repair):
    """Extend a file only by what was written (ext4_dax_write_iter, v6.7 to v6.19).

    The result of dax_iomap_rw goes to ext4_handle_inode_extension as a length, also if it is an error. A file is
    truncated to nothing; write(2) at offset 4096 takes its data from a page of it that is beyond the end, and fails
    with -EFAULT; i_size becomes 4096 - 14. The repair asks for the sign, as v6.0 does. Nothing upstream.
    """

    flaw = "N-331"

    class ext4(Ext4):
        async def ext4_handle_inode_extension(self, inode: Inode, index: int, error: int) -> None:
            if error:
                await self.ext4_truncate_failed_write(inode)
            else:
                await super().ext4_handle_inode_extension(inode, index, error)
