"""N-06: write(2) and faults copy a shared block into the same new one."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.errno import EIO, ENOSPC
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.cow_invalidates import FixCowInvalidates
from daxfuzz.protocols.repairs.failed_write_waits import FixFailedWriteWaits
from daxfuzz.protocols.repairs.resample_cow import FixResampleCow


class FixWriteUnshares(Repair):
    """Unshare what write(2) is to write with MMAPLOCK held, before the user's data is copied.

    xfs_file_dax_write (v6.0 to v6.19) takes neither MMAPLOCK nor an entry lock. A write fault finds the block that
    write(2) has put into the CoW fork; write(2) copies the user's data to it, remaps the file and returns; then the
    fault copies the old block over it. And a pin of the old block, which the file came to it through, is on a block
    that only other files have: no layout break of theirs finds it (F-25). The user's buffer may be a mapping of the
    same file, so that MMAPLOCK cannot be held while it is copied: instead the page is idle, unmapped and copied within
    the kernel first, and write(2) overwrites a block of its own. Nothing upstream.
    """

    flaw = "N-06"
    supersedes: ClassVar = (FixCowInvalidates, FixFailedWriteWaits, FixResampleCow)
    adds: ClassVar = {"xfs": ("xfs_reflink_unshare_page", "copy_shared")}

    class xfs(Xfs):
        async def xfs_file_write_checks(self, inode: Inode, index: int) -> int:
            error = await super().xfs_file_write_checks(inode, index)
            if error or not await inode.reflink.read():
                return error
            lock = inode.i_mapping.invalidate_lock
            await lock.down_write()
            error = await self.xfs_break_layouts(inode)
            if not error:
                error = await self.xfs_reflink_unshare_page(inode, index)
            await lock.up_write()
            return error

        async def xfs_reflink_unshare_page(self, inode: Inode, index: int) -> int:
            """Copy a page if it is shared (fs/xfs/xfs_reflink.c, v6.0); the locks are held: 0 or an error."""
            iomap = await self.iomap_begin(inode, index, write=True)
            if iomap is None or iomap.pfn is None:
                return -ENOSPC
            copied = iomap.source is None or await self.copy_shared(inode.i_mapping, index, iomap.source, iomap.pfn)
            error = await self.iomap_end(inode, index, True, iomap, int(copied))
            return error if copied else -EIO

        async def copy_shared(self, mapping: AddressSpace, index: int, source: int, pfn: int) -> bool:
            """Copy a page that nobody can map now (fs/xfs/xfs_reflink.c, v6.0); False if the device is gone.

            Its entry goes, and is written back before: the copy may fail.
            """
            if await self.k.truncate.filemap_write_and_wait_range(mapping, index, index):
                return False
            await self.k.truncate.truncate_pagecache_range(mapping, index, index)
            await self.k.dax_srcu.read_lock()
            copied = await self.k.dax_fault.dax_iomap_cow_copy(source, pfn)
            await self.k.dax_srcu.read_unlock()
            return copied
