"""F-20: an entry is inserted although its association has failed."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.series_v3.request_folios import RequestFoliosInsertReferences


class FixAssociationFailure(Repair):
    """Let the fault fail with what association says, and give the old entry up only after that.

    dax_associate_entry cannot take references of a page map that unbind has killed since direct_access. The series
    throws its SIGBUS away, sets the entry without a reference, and deleting it drops those of other entries: the page
    map goes while pages are in use. v3 heeds the error, but has disassociated the entry that stays by then (F-20b).
    """

    flaw = "F-20"
    replaces = (RequestFoliosInsertReferences,)
    upstream = "v3 of the series, 14 October 2022, heeds the error (not merged)"

    class dax(Dax):
        async def reassociate(self, entry: Entry, new: Entry, vmf: Fault, flags: int) -> VmFault | None:
            error = await self.dax_associate_entry(new, vmf.vma.mapping, vmf, flags)
            if error is None:
                await self.dax_disassociate_entry(entry, vmf.vma.mapping, trunc=False)
            return error
