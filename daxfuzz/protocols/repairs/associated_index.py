"""N-65: huge entries are associated with the file page behind them."""

from __future__ import annotations

from daxfuzz.kernel.memory import Fault
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.series_v1.patch05_associate_entry import CleanupDaxAssociateEntry


class FixAssociatedIndex(Repair):
    """Round the fault's file page down to the size of the entry.

    dax_associate_entry of the series rounds up. A fault in the middle of a PMD gives each of its pages an index that
    is a PMD too high, by which memory_failure then looks for the entry. One task and no race.
    """

    flaw = "N-65"

    class dax(CleanupDaxAssociateEntry.dax):
        def associated_index(self, vmf: Fault, size: int) -> int:
            return vmf.index - vmf.index % size
