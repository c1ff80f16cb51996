"""N-120: write(2) into a hole deletes the entry of a pinned page."""

from __future__ import annotations

from daxfuzz.kernel.dax_io import DaxIo
from daxfuzz.kernel.fs.filesystem import Iomap, UserCopy
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.invalidate_entries import invalidate_entry


class FixWriteKeepsEntries(Repair):
    """Delete only the zero and empty entries of a hole that write(2) fills: others are for its new block.

    dax_iomap_iter (v6.0 to v6.19) calls invalidate_inode_pages2_range after iomap_begin has allocated a block, holding
    the inode's lock only. A fault in between maps the new block, somebody takes a reference on its page, and fsync, or
    the writeback that a hole punch of ext4 began with before v6.14, cleans the entry. The write then deletes it, so
    that the next layout break finds no page to wait for, and the block is freed. Nothing upstream.
    """

    flaw = "N-120"

    class dax_io(DaxIo):
        def invalidates(self, iomap: Iomap) -> bool:
            return super().invalidates(iomap) and not iomap.new

        async def dax_iomap_iter(
            self, inode: Inode, index: int, iomap: Iomap, value: int, copy: UserCopy | None
        ) -> int:
            if iomap.new:
                mapping = inode.i_mapping
                await invalidate_entry(self.k, mapping, index, lambda entry: not entry.real)
                await self.k.memory.unmap_mapping_pages(mapping, index, 1)
            return await super().dax_iomap_iter(inode, index, iomap, value, copy)
