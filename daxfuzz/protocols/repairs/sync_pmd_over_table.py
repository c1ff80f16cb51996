"""N-41: a synchronous PMD fault finds a page table where it maps its PMD at last."""

from __future__ import annotations

from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.protocols.patch import Repair


class FixSyncPmdOverTable(Repair):
    """Look for a page table after the entry is locked again, as the fault did the first time.

    v6.0 to v6.19, MAP_SYNC: a PMD write fault leaves its entry unlocked while it makes the metadata durable.
    Meanwhile another thread, whose own PMD fault has fallen back before the extents became one, faults on a page: the
    PMD entry of the file is there, so it maps the page below a page table. dax_insert_pfn_mkwrite then takes the
    table for another mapping: insert_pfn_pmd (insert_pmd since v6.15) warns. The access is tried again, page by page.
    """

    flaw = "N-41"

    class dax_fault(DaxFault):
        async def insert_synced_pfn(self, vmf: Fault) -> VmFault:
            if vmf.pages > 1 and await self.raced_with_pte(vmf):
                return VmFault.NOPAGE
            return await super().insert_synced_pfn(vmf)
