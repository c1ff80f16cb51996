"""N-12: a MAP_SYNC fault maps a copy that the file is not durably remapped to."""

from __future__ import annotations

from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair


class FixCowIsDirty(Repair):
    """Count every extent of the CoW fork as having metadata that is not durable.

    xfs_bmbt_to_iomap (v6.0 to v6.19) asks whether the inode is pinned in the log. A fault that finds its copy's block
    in the CoW fork starts no transaction before; if the log was forced after the block was allocated, by an fsync, the
    extent is not dirty, and a MAP_SYNC fault maps it at once. The remap of the file comes at the end of the fault, and
    in memory only: the user stores, flushes the cache line, crashes, and the file has the old block. The block comes
    from write(2) of the same page, or from the allocation for a neighbour (cowextsize; not modelled). Nothing upstream.
    """

    flaw = "N-12"

    class xfs(Xfs):
        async def iomap_dirty(self, inode: Inode, index: int, iomap: Iomap) -> bool:
            return iomap.source is not None or await super().iomap_dirty(inode, index, iomap)
