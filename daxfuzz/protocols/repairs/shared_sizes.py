"""N-111: files that share blocks have them in folios of different sizes."""

from __future__ import annotations

from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.pmd_makes_way import FixPmdMakesWay


class FixSharedSizes(Repair):
    """Read shared extents page by page, and what is just being shared, so that their pages are never of one folio.

    v6.15 to v6.19, dax_associate_entry: file A has read a shared extent by pages, each a folio of its own. File B
    reads it with a PMD. Its entry counts itself in the first page, and warns of the size; the other pages know of A
    only, and lose that association with A's entries; then vmf_insert_folio_pmd refuses the folio, and the access gets
    SIGBUS. The other way round, B's entry of one page counts itself in the head of A's PMD, and of two entries of B
    one drops what the other has counted. With reflink that takes one task that reads both files. Copies are not shared
    yet when they are mapped; and the break before a clone deletes what was there (bde708f1a65d), but reads of A may
    map it again before its blocks are shared (v6.7). Nothing upstream.
    """

    flaw = "N-111"
    supersedes = (FixPmdMakesWay,)

    class dax_fault(DaxFault):
        async def dax_fault_iter(self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap) -> tuple[VmFault, Entry]:
            read = vmf.pages > 1 and not vmf.write
            if read and (iomap.shared or await vmf.vma.mapping.host.remapping.read()):
                return VmFault.FALLBACK, entry
            return await super().dax_fault_iter(vmf, xas, entry, iomap)
