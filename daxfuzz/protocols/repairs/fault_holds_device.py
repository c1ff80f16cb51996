"""F-14: a fault goes on with a page frame after the device has died."""

from __future__ import annotations

from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Repair


class FixFaultHoldsDevice(Repair):
    """Keep the section of dax_srcu from dax_direct_access until the entry is in the page table (dax_fault_iter).

    Fault: dax_iomap_direct_access sees the device alive, leaves its section; unbind: kill_dax, memunmap_pages; fault:
    dax_insert_entry writes to page structs that are gone. The fault of a character device keeps its section for just
    that reason.
    """

    flaw = "F-14"

    class dax_fault(DaxFault):
        async def dax_fault_iter(self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap) -> tuple[VmFault, Entry]:
            await self.k.dax_srcu.read_lock()
            result = await super().dax_fault_iter(vmf, xas, entry, iomap)
            await self.k.dax_srcu.read_unlock()
            return result
