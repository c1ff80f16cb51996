"""N-20: a fault of one page stores its entry over that of a PMD."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax, WakeMode
from daxfuzz.kernel.entry import EMPTY, DaxFlag, Entry
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Repair


class FixPmdMakesWay(Repair):
    """Before the copy of one page of a PMD is inserted, delete the PMD's entry; for a read of a page, keep it.

    grab_mapping_entry locks a real PMD entry as it is for a fault of one page, which is right as long as the entry
    stays. dax_insert_entry replaces it where the extent is shared (v6.0: by a write, v6.2 and later: also by a read):
    the multi-index slot stays, so that all pages of the PMD are at one entry of one page. The write to a PMD whose copy
    did not get as many blocks does that. A read finds the block that is in the entry already: who deletes the entry
    then forgets the other pages, which may be pinned, so that nobody waits for them. Nothing upstream.
    """

    flaw = "N-20"

    class dax(Dax):
        async def dax_insert_entry(
            self, xas: XaState, vmf: Fault, iomap: Iomap | None, entry: Entry, new: Entry
        ) -> tuple[VmFault | None, Entry]:
            pages = entry.size(self.k.machine)
            huge = entry.real and pages > new.size(self.k.machine)
            if huge and not vmf.write and iomap is not None:
                iomap = iomap._replace(shared=False)
            if huge and self.dax_iter_flags(vmf, iomap) & DaxFlag.COW:
                mapping = vmf.vma.mapping
                head = vmf.index - vmf.index % pages
                await self.k.memory.unmap_mapping_pages(mapping, head, pages)
                for pfn in entry.pfns(self.k.machine):
                    await self.k.blocks[pfn].flush()
                xas.reset()
                await mapping.i_pages.lock.acquire()
                await self.dax_disassociate_entry(entry, mapping, trunc=False)
                await xas.store(None)
                await self.dax_wake_entry(mapping, head, entry, WakeMode.WAKE_ALL)
                xas.set(vmf.index)
                await self.dax_lock_entry(xas, EMPTY)
                await mapping.i_pages.lock.release()
                entry = EMPTY
            return await super().dax_insert_entry(xas, vmf, iomap, entry, new)
