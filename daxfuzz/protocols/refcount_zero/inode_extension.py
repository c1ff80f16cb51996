"""ext4: Properly sync file size update after O_SYNC direct IO (91562895f803, v6.7)."""

from __future__ import annotations

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Patch


class SyncFileSizeUpdate(Patch):
    """ext4: Properly sync file size update after O_SYNC direct IO (91562895f803, v6.7; in stable kernels since 6.1).

    Those who complete direct writes only come here when something was written; a DAX write comes with its error, too,
    which is then added to the offset as if it were a length: all but the last bytes of the page before it are in the
    file. Seen on Linux 6.1.192, 6.12, 6.16 and 7.3 (sequence failed-write-grows); read at v6.19.
    """

    class ext4(Ext4):
        async def ext4_handle_inode_extension(self, inode: Inode, index: int, error: int) -> None:
            if not error:
                await super().ext4_handle_inode_extension(inode, index, error)
                return
            await self.k.journal.start()
            # Any error is less than a page.
            if index > await inode.i_size.read():
                await inode.i_size.write(index)
                await self.k.journal.update_inode(inode.number)
            await self.k.journal.stop()
            await self.ext4_truncate_failed_write(inode)
