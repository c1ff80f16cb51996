"""Patch 12 of the series, on top of v6.0: devdax has entries (drivers/dax/device.c, bus.c)."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.device_dax import DeviceDax
from daxfuzz.kernel.inode import Inode, block_of
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Patch


class UseDaxInsertEntry(Patch):
    """devdax: Use dax_insert_entry() + dax_delete_mapping_entry() (12/13).

    A fault of a character device locks and inserts an entry, as that of a file does, but unlocks it before it sets
    the page-table entry. Entries have no tags. The device's removal truncates its inode in place of unmapping it, so
    page-table entries stay (F-23), and warns of pages that are pinned. A huge entry is stored in the slot of one page,
    that of the fault: a fault at another page of it does not find it and inserts a second one (F-22).
    """

    adds: ClassVar = {"device_dax": ("dev_dax_entry",)}

    class device_dax(DeviceDax):
        def prefault(self, inode: Inode, huge: bool = False) -> None:
            super().prefault(inode, huge)
            i_pages = inode.i_mapping.i_pages
            for index in range(0, len(inode.extents), self.k.align):
                pfn = block_of(inode.extents[index].value)
                assert pfn is not None
                entry = self.dev_dax_entry(pfn, self.k.align)
                xas = XaState(i_pages, index)
                self.k.dax.empty_entry(xas, self.k.align)
                i_pages.entries[index] = entry
                if xas.span > 1:
                    i_pages.spans[index] = xas.span
                head = self.k.pages[pfn]
                head.mapping.value = inode.i_mapping
                head.index.value = index
                head.refcount.value += self.k.dax.entry_references(entry)
                self.k.pgmap.ref.count += self.k.memremap.entry_pgmap_references(entry)

        def dev_dax_entry(self, pfn: int, pages: int) -> Entry:
            """The entry for a fault of so many pages."""
            machine = self.k.machine
            return Entry(pfn, pmd=pages == machine.pmd_pages, pud=pages == machine.pud_pages)

        async def dev_dax_map(self, vmf: Fault) -> VmFault:
            # Of order 0 whatever is to be inserted, and at the page of the fault (F-22).
            mapping = vmf.vma.mapping
            pfn = await self.dax_pgoff_to_phys(mapping.host, vmf.index - vmf.index % vmf.pages)
            xas = XaState(mapping.i_pages, vmf.index)
            entry = await self.k.dax.grab_mapping_entry(mapping, xas, vmf.pages)
            new = self.dev_dax_entry(pfn, vmf.pages)
            error, entry = await self.k.dax.dax_insert_entry(xas, vmf, None, entry, new)
            await self.k.dax.dax_unlock_entry(mapping, xas, entry)
            if error is not None:
                return error
            return await self.dev_dax_insert(vmf, pfn)

    class dax_device(DaxDevice):
        async def kill_dev_dax(self) -> None:
            await self.kill_dax()
            for inode in self.k.inodes.values():
                await self.k.truncate.truncate_inode_pages_range(inode.i_mapping, 0, len(inode.extents) - 1)
