"""F-31: memory reclaim evicts a file of fuse whose pages are pinned, and waits for the pins."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.vmscan import Vmscan
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Repair


class FixPruneSparesBusy(Repair):
    """Leave the dentry of a file alone in reclaim as long as pages of it are in use.

    fuse keeps no inode without a reference: the dentry shrinker evicts the file that nobody has open or mapped. Where
    eviction waits for pages (F-06 repaired, series-v3, v6.16 and later), a task that has pinned a page, unmapped and
    closed the file, and then allocates memory waits for its own pin, uninterruptibly; or another task does, with locks
    that the owner of the pin needs before it can drop it. With nobody who can get at the file, an idle page stays idle.
    Nothing upstream: it was raised in review, and accepted.
    """

    flaw = "F-31"
    adds: ClassVar = {"vmscan": ("any_page_in_use", "entry_in_use")}

    class vmscan(Vmscan):
        async def prune_dentry(self, inode: Inode) -> None:
            # As under d_lock: nothing is taken away before the look, so that lookups find what stays; and eviction
            # waits for the look, here for the mark of FixLruPinsInode. Who finds the file meanwhile cannot map it, so
            # that what is idle stays so.
            await inode.i_lru_isolating.acquire()
            spared = not await inode.i_count.read() or await self.any_page_in_use(inode)
            await inode.i_lru_isolating.release()
            if not spared:
                await super().prune_dentry(inode)

        async def any_page_in_use(self, inode: Inode) -> bool:
            """Whether eviction would have to wait for a page or for an entry's lock (fs/dax.c, v6.0)."""
            i_pages = inode.i_mapping.i_pages
            xas = XaState(i_pages, 0)
            busy = False
            await i_pages.lock.acquire()
            while not busy and (entry := await xas.find(len(inode.extents) - 1)) is not None:
                busy = entry.locked or await self.entry_in_use(entry)
            await i_pages.lock.release()
            return busy

        async def entry_in_use(self, entry: Entry) -> bool:
            """Whether anything but the entry has references of its pages; nothing maps them (fs/dax.c, v6.0)."""
            own = self.k.dax.idle_refcount() + self.k.dax.entry_references(entry)
            for folio in await self.k.dax.mapped_folios(entry):
                if await folio.refcount.read() > own:
                    return True
            return False
