"""N-260: write(2) leaves a hole mapped whose block a fault has just allocated."""

from __future__ import annotations

from daxfuzz.kernel.dax_io import DaxIo
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.filesystem import Iomap, UserCopy
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.invalidate_entries import invalidate_entry


class FixWriteUnmapsHole(Repair):
    """Remove what mappings made of a hole also where somebody else has allocated the block (dax_iomap_iter).

    v6.0 to v6.19, ext4 and xfs: the zero page is mapped; a write fault's iomap_begin has allocated the block, and the
    fault has not replaced the entry yet; write(2) finds the block there, so not IOMAP_F_NEW, invalidates nothing and
    returns. A load through the mapping still reads zeroes until the fault goes on. The repair looks whether the entry
    is that of a hole, and waits for its lock. No upstream fix known.
    """

    flaw = "N-260"

    class dax_io(DaxIo):
        async def dax_iomap_iter(
            self, inode: Inode, index: int, iomap: Iomap, value: int, copy: UserCopy | None
        ) -> int:
            mapping = inode.i_mapping
            entry: Entry | None = None if iomap.new else await mapping.i_pages.load(index)
            if entry is not None and is_hole(entry):
                await invalidate_entry(self.k, mapping, index, is_hole)
                await self.k.memory.unmap_mapping_pages(mapping, index, 1)
            return await super().dax_iomap_iter(inode, index, iomap, value, copy)


def is_hole(entry: Entry) -> bool:
    """Whether an entry stands for no blocks."""
    return not entry.real
