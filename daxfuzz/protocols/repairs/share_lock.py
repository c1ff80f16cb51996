"""N-25: the count of a shared page is changed under the xa_lock of whichever file."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.protocols.patch import Repair
from daxfuzz.sim import Lock


class FixShareLock(Repair):
    """Associate and disassociate pages under one lock where files can share them.

    dax_mapping_set_cow and dax_disassociate_entry (v6.0), dax_page_share_get and dax_page_share_put (v6.2 to v6.14),
    dax_associate_entry and dax_folio_put (v6.15 to v6.19) read and write mapping and count of a page with the xa_lock
    of one file held. Faults of two files that share the block lose a count, or one marks the page as shared while the
    other clears it. No upstream commit.
    """

    flaw = "N-25"

    class dax(Dax):
        def association_lock(self) -> Lock | None:
            return self.k.dax_share_lock if self.k.fs.reflinks else None

        async def dax_associate_entry(
            self, entry: Entry, mapping: AddressSpace, vmf: Fault, flags: int
        ) -> VmFault | None:
            if self.k.fs.reflinks:
                await self.k.dax_share_lock.acquire()
            error = await super().dax_associate_entry(entry, mapping, vmf, flags)
            if self.k.fs.reflinks:
                await self.k.dax_share_lock.release()
            return error

        async def dax_disassociate_entry(self, entry: Entry, mapping: AddressSpace, trunc: bool) -> None:
            if self.k.fs.reflinks:
                await self.k.dax_share_lock.acquire()
            await super().dax_disassociate_entry(entry, mapping, trunc)
            if self.k.fs.reflinks:
                await self.k.dax_share_lock.release()
