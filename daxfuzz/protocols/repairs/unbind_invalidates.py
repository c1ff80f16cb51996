"""F-23 for file systems: what leads to the pages of a removed device stays."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax import WakeMode
from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.fault_holds_device import FixFaultHoldsDevice


class FixUnbindInvalidates(Repair):
    """After the device has died, unmap all files and delete their entries (pmem_release_disk).

    In v6.0 page-table entries and i_pages of a mounted file system survive the removal: loads and stores go to
    memory that is gone, truncate and fsync touch page structs that are gone, and slow GUP, which finds the entry
    present and its page map dying, faults for ever. xfs has done this since v6.8 (fa422b353d21, MF_MEM_PRE_REMOVE);
    ext4 never has. Here it comes after kill_dax, when no fault can insert any more, and takes invalidate_lock as
    truncate does, which waits for the faults under way, too: the narrower repair of F-14 is not needed with it.
    """

    flaw = "F-23"
    adds: ClassVar = {"dax_device": ("invalidate_inode", "invalidate_entry")}
    upstream = "fa422b353d21 (xfs only)"
    supersedes = (FixFaultHoldsDevice,)

    class dax_device(DaxDevice):
        async def pmem_release_disk(self) -> None:
            await super().pmem_release_disk()
            for inode in self.k.inodes.values():
                await self.invalidate_inode(inode)

        async def invalidate_inode(self, inode: Inode) -> None:
            """Unmap a file and delete its entries, whatever they hold."""
            mapping = inode.i_mapping
            last = len(inode.extents) - 1
            await mapping.invalidate_lock.down_write()
            await self.k.memory.unmap_mapping_pages(mapping, 0, last + 1)
            while indices := await self.k.truncate.find_lock_entries(mapping, 0, last):
                for index in indices:
                    await self.invalidate_entry(mapping, index)
            await mapping.invalidate_lock.up_write()

        async def invalidate_entry(self, mapping: AddressSpace, index: int) -> None:
            """Delete an entry when it is unlocked. Its page may be busy: who removes it waits for that."""
            i_pages = mapping.i_pages
            xas = XaState(i_pages, index)
            await i_pages.lock.acquire()
            entry = await self.k.dax.get_unlocked_entry(mapping, xas)
            if entry is not None:
                await self.k.dax.dax_disassociate_entry(entry, mapping, trunc=False)
                await xas.store(None)
            await self.k.dax.put_unlocked_entry(mapping, xas, entry, WakeMode.WAKE_ALL)
            await i_pages.lock.release()
