"""Patch 05 of the series, on top of v6.0: association takes the fault."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.memory import Fault
from daxfuzz.protocols.patch import Patch


class CleanupDaxAssociateEntry(Patch):
    """fsdax: Cleanup dax_associate_entry() (05/13).

    The file index of the first page was the fault's, rounded down to the size of the entry; now it is rounded up
    (ALIGN). It is wrong for huge entries unless the fault hit their first page. As posted the patch does not compile
    without DAX_COW of patch 06.
    """

    class dax(Dax):
        def associated_index(self, vmf: Fault, size: int) -> int:
            return -(-vmf.index // size) * size
