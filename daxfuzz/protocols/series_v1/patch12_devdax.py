"""Patch 12 of the series, on top of v6.0: devdax has entries (drivers/dax/device.c, bus.c)."""

from __future__ import annotations

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.device_dax import DeviceDax
from daxfuzz.kernel.inode import Inode, block_of
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Patch


class UseDaxInsertEntry(Patch):
    """devdax: Use dax_insert_entry() + dax_delete_mapping_entry() (12/13).

    A fault of a character device locks and inserts an entry, as that of a file does, but unlocks it before it sets
    the page-table entry. Entries have no tags. The device's removal truncates its inode in place of unmapping it, so
    page-table entries stay (F-23), and warns of pages that are pinned.
    """

    class device_dax(DeviceDax):
        def prefault(self, inode: Inode, huge: bool = False) -> None:
            super().prefault(inode, huge)
            for index, extent in enumerate(inode.extents):
                pfn = block_of(extent.value)
                assert pfn is not None
                entry = Entry(pfn)
                inode.i_mapping.i_pages.entries[index] = entry
                self.k.dax.prefault_association(entry, inode.i_mapping, index)
                self.k.pages[pfn].refcount.value += self.k.dax.entry_references(entry)
                self.k.pgmap.ref.count += self.k.memremap.entry_pgmap_references(entry)

        async def _dev_dax_pte_fault(self, vmf: Fault) -> VmFault:
            mapping = vmf.vma.mapping
            pfn = await self.dax_pgoff_to_phys(mapping.host, vmf.index)
            xas = XaState(mapping.i_pages, vmf.index)
            entry = await self.k.dax.grab_mapping_entry(mapping, xas, 1)
            error, entry = await self.k.dax.dax_insert_entry(xas, vmf, None, entry, Entry(pfn))
            await self.k.dax.dax_unlock_entry(mapping, xas, entry)
            if error is not None:
                return error
            return await self.k.memory.vmf_insert_mixed(vmf, Pte(pfn, write=True))

    class dax_device(DaxDevice):
        async def kill_dev_dax(self) -> None:
            await self.kill_dax()
            for inode in self.k.inodes.values():
                await self.k.truncate.truncate_inode_pages_range(inode.i_mapping, 0, len(inode.extents) - 1)
