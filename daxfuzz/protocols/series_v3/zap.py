"""Patches 04 to 06 of the series' third version, on top of v6.0: entries that are zapped."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.fs.xfs_reflink import SECOND
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.page import COW, Page
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Patch
from daxfuzz.sim import TaskState, wait_var_event


class IntroduceDaxZapMappings(Patch):
    """fsdax: Introduce dax_zap_mappings(), wait for pinned pages during truncate_inode_pages_final() (04/25 to 06/25).

    The search for busy pages marks every entry it passes as zapped. Eviction waits, in the deletion of each entry,
    and cannot be interrupted. Deleting an entry that truncation has not zapped is worth a warning. Reflink does not
    read the count of the second file's busy page again.
    """

    renames: ClassVar = {
        "dax_layout_busy_page": "dax_zap_mappings",
        "dax_layout_busy_page_range": "dax_zap_mappings_range",
        "dax_busy_page": "dax_zap_pages",
    }
    adds: ClassVar = {"dax": ("dax_zap_entry", "dax_break_layouts")}

    class dax(Dax):
        async def dax_zap_entry(self, xas: XaState, entry: Entry) -> None:
            """Mark an entry as zapped; xa_lock is held and the entry is not locked."""
            await xas.store(entry._replace(zap=True))

        async def dax_busy_page(self, xas: XaState, entry: Entry) -> Page | None:
            page = await super().dax_busy_page(xas, entry)
            if entry.real and not entry.zap:
                await self.dax_zap_entry(xas, entry)
            return page

        async def dax_break_layouts(self, mapping: AddressSpace, first: int, last: int) -> None:
            """Unmap and zap a range, both ends included, and wait until its pages are idle; no signal ends the wait."""
            if not self.k.fs.char_device and await mapping.host.i_count.read():
                self.k.warn("dax_break_layouts: inode is in use", None)
            while True:
                await self.k.memory.unmap_mapping_pages(mapping, first, last + 1 - first)
                page = await self.dax_layout_busy_page_range(mapping, first, last)
                if page is None:
                    return
                table, address = self.k.var_waitqueues, self.idle_address(page)
                await wait_var_event(
                    table,
                    address,
                    partial(self.wait_is_over, page),
                    TaskState.UNINTERRUPTIBLE,
                    table.bucket(address).schedule,
                )

        async def dax_delete_mapping_entry(self, mapping: AddressSpace, index: int) -> None:
            # The end of the range is taken as included, so the entry behind is zapped and waited for as well.
            if await mapping.exiting.read():
                await self.dax_break_layouts(mapping, index, index + 1)
            await super().dax_delete_mapping_entry(mapping, index)

        async def dax_disassociate_entry(self, entry: Entry, mapping: AddressSpace, trunc: bool) -> None:
            for page in await self.mapped_folios(entry):
                if trunc and await page.mapping.read() is not COW:
                    if not entry.zap:
                        self.k.warn("dax_disassociate_entry: entry is not zapped", page)
                    if self.page_busy(await page.refcount.read()):
                        self.k.warn("dax_disassociate_entry: page is busy", page)
                await self.disassociate_page(page, mapping)

    class xfs(Xfs):
        async def xfs_second_mmaplock(self, inode: Inode) -> bool:
            await inode.i_mapping.invalidate_lock.down_write(subclass=SECOND)
            if await self.k.dax.dax_layout_busy_page(inode.i_mapping) is None:
                return True
            await inode.i_mapping.invalidate_lock.up_write()
            return False
