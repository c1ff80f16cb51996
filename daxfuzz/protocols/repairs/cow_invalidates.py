"""N-15: write(2) to a shared block leaves the old one mapped."""

from __future__ import annotations

from daxfuzz.kernel.dax import WakeMode
from daxfuzz.kernel.dax_io import DaxIo
from daxfuzz.kernel.fs.filesystem import Iomap, UserCopy
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.xarray import Mark, XaState
from daxfuzz.protocols.patch import Repair


class FixCowInvalidates(Repair):
    """Remove entries and mappings before a write(2) that copies on write, as for one that fills a hole.

    In v6.0 and v6.1 they keep the old block. Whoever has the file mapped goes on to read it, and when the other files
    drop it, it is free while it is mapped. Entries are dirty even if only read: the marks are cleared first, since the
    data is on its way to the new block. A read fault between the invalidation and the remap still brings the old block
    back (N-06 has the whole repair).
    """

    flaw = "N-15"
    upstream = "v6.2, fsdax: invalidate pages when CoW"

    class dax_io(DaxIo):
        def invalidates(self, iomap: Iomap) -> bool:
            return iomap.shared or super().invalidates(iomap)

        async def dax_iomap_iter(
            self, inode: Inode, index: int, iomap: Iomap, value: int, copy: UserCopy | None
        ) -> int:
            if iomap.shared:
                mapping = inode.i_mapping
                xas = XaState(mapping.i_pages, index)
                await mapping.i_pages.lock.acquire()
                entry = await self.k.dax.get_unlocked_entry(mapping, xas)
                if entry is not None:
                    await mapping.i_pages.clear_mark(xas.index, Mark.DIRTY)
                    await mapping.i_pages.clear_mark(xas.index, Mark.TOWRITE)
                await self.k.dax.put_unlocked_entry(mapping, xas, entry, WakeMode.WAKE_NEXT)
                await mapping.i_pages.lock.release()
            return await super().dax_iomap_iter(inode, index, iomap, value, copy)
