"""F-23 for file systems: what leads to the pages of a removed device stays (drivers/nvdimm/pmem.c, v6.0)."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.association_failure import FixAssociationFailure
from daxfuzz.protocols.repairs.entries_hold_device import FixEntriesHoldDevice
from daxfuzz.protocols.repairs.fault_holds_device import FixFaultHoldsDevice
from daxfuzz.protocols.repairs.invalidate_entries import invalidate_inodes
from daxfuzz.protocols.repairs.zapped_entries_stay import FixZappedEntriesStay


class FixUnbindInvalidates(Repair):
    """After the device has died, unmap all files and delete their entries (pmem_release_disk).

    In v6.0 page-table entries and i_pages of a mounted file system survive the removal: loads and stores go to
    memory that is gone, truncate and fsync touch page structs that are gone, and slow GUP, which finds the entry
    present and its page map dying, faults for ever. xfs has done this since v6.8 (fa422b353d21, MF_MEM_PRE_REMOVE);
    ext4 never has. Here it comes after kill_dax, when no fault can insert any more, and takes invalidate_lock as
    truncate does, which waits for the faults under way, too: the narrower repairs of F-14 and F-20 are not needed with
    it. Pages in use lose their entries as well, so that truncation no longer warns of them then.
    """

    flaw = "F-23"
    upstream = "fa422b353d21 (xfs only)"
    supersedes = (FixFaultHoldsDevice, FixAssociationFailure, FixEntriesHoldDevice, FixZappedEntriesStay)

    class dax(Dax):
        async def busy_at_truncation(self, page: Page, refcount: int) -> bool:
            if not await super().busy_at_truncation(page, refcount):
                return False
            # Of a page that files share, the entry of who uses it may have been deleted here, though it is busy.
            await self.k.dax_srcu.read_lock()
            alive = await self.k.dax_alive.read()
            await self.k.dax_srcu.read_unlock()
            return alive

    class dax_device(DaxDevice):
        async def pmem_release_disk(self) -> None:
            await super().pmem_release_disk()
            await invalidate_inodes(self.k, lambda entry: True)
