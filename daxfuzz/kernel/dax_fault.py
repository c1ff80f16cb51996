"""DAX page faults (fs/dax.c, dax_iomap_pte_fault and below, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.entry import ZERO, Entry
from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.kernel.xarray import XaState

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.filesystem import Iomap
    from daxfuzz.kernel.memory import Fault


class DaxFault(Subsystem):
    """From the fault to the page-table entry; the file system holds invalidate_lock shared."""

    async def dax_iomap_pte_fault(self, vmf: Fault) -> VmFault:
        """A read, write or write-protect fault on one page: lock the entry, ask the file system, map what it says."""
        mapping = vmf.vma.mapping
        inode = mapping.host
        if vmf.index >= await inode.i_size.read():
            return VmFault.SIGBUS
        xas = XaState(mapping.i_pages, vmf.index)
        entry = await self.k.dax.grab_mapping_entry(mapping, xas)
        iomap = await self.k.fs.iomap_begin(inode, vmf.index, vmf.write)
        if iomap is None:
            result = VmFault.SIGBUS
        else:
            result, entry = await self.dax_fault_iter(vmf, xas, entry, iomap)
        await self.k.dax.dax_unlock_entry(mapping, xas, entry)
        return result

    async def dax_fault_iter(self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap) -> tuple[VmFault, Entry]:
        """Insert the entry and the page-table entry for one extent; returns the entry that is locked now, too."""
        if iomap.pfn is None:
            return await self.dax_load_hole(vmf, xas, entry)
        pfn = await self.dax_iomap_direct_access(iomap.pfn)
        if pfn is None:
            return VmFault.SIGBUS, entry
        entry = await self.k.dax.dax_insert_entry(vmf.vma.mapping, xas, entry, Entry(pfn))
        result = await self.k.memory.vmf_insert_mixed(vmf, Pte(pfn, write=vmf.write, dirty=vmf.write))
        return result, entry

    async def dax_load_hole(self, vmf: Fault, xas: XaState, entry: Entry) -> tuple[VmFault, Entry]:
        """A read of a hole maps the zero page."""
        entry = await self.k.dax.dax_insert_entry(vmf.vma.mapping, xas, entry, ZERO)
        return await self.k.memory.vmf_insert_mixed(vmf, Pte(0, zero=True)), entry

    async def dax_iomap_direct_access(self, block: int) -> int | None:
        """Page frame of a block, None once the device is dead. Nothing protects it after the section has ended."""
        await self.k.dax_srcu.read_lock()
        alive = await self.k.dax_alive.read()
        await self.k.dax_srcu.read_unlock()
        return block if alive else None
