"""N-220: the removal of a device deletes entries whose pages are in use (fs/xfs/xfs_notify_failure.c, v6.19)."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax import WakeMode
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.refcount_zero.pre_remove import IntroducePreRemove


class FixRemovalSparesBusy(Repair):
    """Where a device is about to go, unmap first, and delete entries of pages without references only.

    xfs_dax_failure_fn (v6.8 to v6.19) calls invalidate_inode_pages2_range for each extent, which looks at no reference
    and unmaps last. A large folio that somebody has pinned, or that a read fault has mapped meanwhile, is split
    (WARN_ON_ONCE in dax_folio_put), and whoever drops a reference of a page behind the first drops one of another
    page than the one that was taken: the first stays in use for ever, the other falls below 0. A page on its own that
    is pinned is forgotten, so that nobody waits for it. Nothing upstream.
    """

    flaw = "N-220"
    adds: ClassVar = {"xfs": ("delete_unused", "unused")}

    class xfs(IntroducePreRemove.xfs):
        async def invalidate_removed(self, mapping: AddressSpace, first: int, last: int) -> None:
            await self.k.memory.unmap_mapping_pages(mapping, first, last + 1 - first)
            for index in range(first, last + 1):
                await self.delete_unused(mapping, index)

        async def delete_unused(self, mapping: AddressSpace, index: int) -> None:
            """Delete the entry at an index, when it is unlocked, if nobody uses its pages."""
            xas = XaState(mapping.i_pages, index)
            await mapping.i_pages.lock.acquire()
            entry = await self.k.dax.get_unlocked_entry(mapping, xas)
            if entry is not None and await self.unused(entry):
                await self.k.dax.dax_disassociate_entry(entry, mapping, trunc=False)
                await xas.store(None)
            await self.k.dax.put_unlocked_entry(mapping, xas, entry, WakeMode.WAKE_ALL)
            await mapping.i_pages.lock.release()

        async def unused(self, entry: Entry) -> bool:
            """Whether nobody has a reference of an entry's folio. Nobody can get one while the entry is looked at."""
            if not entry.real:
                return True
            folio = await self.k.pages[entry.pfn].head.read()
            return await folio.refcount.read() == 0
