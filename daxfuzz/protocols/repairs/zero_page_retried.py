"""N-332: a write fault that meets the zero page of a hole that is just being written ends in SIGBUS."""

from __future__ import annotations

from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.mm import Pte
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.refcount_zero.insert_page import AddVmfInsertPageMkwrite


class FixZeroPageRetried(Repair):
    """Try a write fault again that meets another page, as insert_pfn of v6.0 does (insert_page_into_pte_locked).

    v6.15 to v6.19, and 7.3: the zero page is mapped; write(2) allocates the block, and invalidate_inode_pages2_range
    deletes the entry of the hole before it unmaps it. A write fault in between makes a new entry where there is none,
    so that dax_insert_entry unmaps nothing, and finds the zero page: -EFAULT, which is SIGBUS in
    vmf_insert_page_mkwrite. The repair returns -EBUSY there, which is no error for it. The fault comes again until the
    writer, who waits for nothing that the fault holds between two attempts, has unmapped the page. PMDs have no such
    flaw: vmf_insert_folio_pmd returns VM_FAULT_NOPAGE where the huge zero page is mapped. Nothing upstream.
    """

    flaw = "N-332"

    class memory(AddVmfInsertPageMkwrite.memory):
        async def insert_page_into_pte_locked(self, vmf: Fault, new: Pte) -> VmFault:
            result = await super().insert_page_into_pte_locked(vmf, new)
            # It fails for no other reason.
            return VmFault.NOPAGE if result is VmFault.SIGBUS else result
