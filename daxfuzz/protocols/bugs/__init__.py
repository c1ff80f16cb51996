"""Historical bugs: each takes away the fix of one from a protocol that has it.

One file for each family. Numbers are those of the catalogue of historical bugs; S1 to S8 are defects of the series of
2022 that its review has found.
"""

from __future__ import annotations

from daxfuzz.protocols.bugs.busy_pages import (
    BreakLayoutEmptyRange,
    EvictIgnoresPins,
    PausedIteratorSkipsWaitedEntry,
    ScanSkipsLockedEntry,
    UnmappedBusyPagesSkipped,
)
from daxfuzz.protocols.bugs.page_counts import DaxShareCountOffByOne
from daxfuzz.protocols.bugs.series import (
    MaybePinnedFallsWithoutWake,
    PgmapPutAtEntryDelete,
    PinOnlyIdleTest,
    WakeAfterLastPutReadsPgmap,
)
from daxfuzz.protocols.patch import Bug

ALL_BUGS: tuple[type[Bug], ...] = (
    ScanSkipsLockedEntry,
    EvictIgnoresPins,
    BreakLayoutEmptyRange,
    DaxShareCountOffByOne,
    UnmappedBusyPagesSkipped,
    PausedIteratorSkipsWaitedEntry,
    PinOnlyIdleTest,
    MaybePinnedFallsWithoutWake,
    PgmapPutAtEntryDelete,
    WakeAfterLastPutReadsPgmap,
)
"""In the order of the catalogue."""
