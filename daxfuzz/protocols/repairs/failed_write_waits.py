"""N-07: a write(2) that fails frees the copy that a fault has mapped."""

from __future__ import annotations

from daxfuzz.kernel.dax_io import DaxIo
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixFailedWriteWaits(Repair):
    """Give the blocks of a failed write(2) back with MMAPLOCK held (xfs_dax_write_iomap_end, v6.0 to v6.19).

    write(2) and a fault of the same page share what one of them has put into the CoW fork. If the user's buffer cannot
    be read, write(2) frees it while the fault has it mapped and has not remapped the file to it yet. Nothing upstream.
    """

    flaw = "N-07"

    class dax_io(DaxIo):
        async def iomap_end(self, inode: Inode, index: int, iomap: Iomap, written: int) -> int:
            if written:
                return await super().iomap_end(inode, index, iomap, written)
            await inode.i_mapping.invalidate_lock.down_write()
            error = await super().iomap_end(inode, index, iomap, written)
            await inode.i_mapping.invalidate_lock.up_write()
            return error
