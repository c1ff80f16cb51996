"""N-200: a synchronous fault on a page of a PMD entry that is shared in part is tried again for ever."""

from __future__ import annotations

from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.protocols.patch import Repair


class FixSyncPteBelowPmd(Repair):
    """Map a page below a PMD entry after the metadata has become durable, as a fault that need not wait does.

    v6.0 to v6.19, xfs, MAP_SYNC: two files share a PMD's blocks, and one gives up some of them while the other's read
    fault stores its PMD entry. A store to a page that is not shared any more begins as a PMD fault, which allocates
    and cancels a copy of those that are, and so changes the inode. The fault on the page makes that durable; then
    dax_insert_pfn_mkwrite finds a PMD entry where it wants one of a page, and has the access tried again. It begins as
    a PMD fault.

    While the entry was unlocked, a fault of another thread may have mapped the whole PMD. walk_to_pmd would take
    the file's data for a page table, so that this is looked at again, too.
    """

    flaw = "N-200"

    class dax_fault(DaxFault):
        def maps_synced(self, vmf: Fault, entry: Entry) -> bool:
            below = entry.pfn is not None and entry.pfn + vmf.index % self.k.machine.pmd_pages == vmf.pfn
            return super().maps_synced(vmf, entry) or below

        async def insert_synced_pfn(self, vmf: Fault) -> VmFault:
            if vmf.pages == 1 and await self.raced_with_pmd(vmf):
                return VmFault.NOPAGE
            return await super().insert_synced_pfn(vmf)
