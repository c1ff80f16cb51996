"""Historical bugs: each takes away the fix of one from a protocol that has it.

One file for each family. Numbers are those of the catalogue of historical bugs: 1 to 28 are those that must be found
again, C1 and so on further ones, and S1 to S8 defects of the series of 2022 that its review has found.
"""

from __future__ import annotations

from daxfuzz.protocols.bugs.busy_pages import (
    BreakLayoutEmptyRange,
    EvictIgnoresPins,
    PausedIteratorSkipsWaitedEntry,
    ScanSkipsLockedEntry,
    TruncateIgnoresDmaPins,
    UnmappedBusyPagesSkipped,
)
from daxfuzz.protocols.bugs.entry_lock import (
    DaxImmapLockDeadlocks,
    EntryLockVsTransactionAbba,
    FuseOpenLeaksInvalidateLock,
    HoleReplaceWakesOne,
    InvalidateNullEntryBreaksWakeChain,
    PmdWaiterOnWrongQueue,
)
from daxfuzz.protocols.bugs.faults import (
    BreakLayoutZapsPrivateCow,
    FaultMapsStaleHoleVsWrite,
    FaultVsPunchUnserialised,
    MkcleanMissesSecondMapping,
    PmdPteFaultCollision,
    StaleHugeZeroPage,
    UnlockedConcurrentFaults,
)
from daxfuzz.protocols.bugs.gup import (
    CowBreakEitherWay,
    GupfastPinVsForkWrprotect,
    LongtermPinBlocksTruncate,
)
from daxfuzz.protocols.bugs.lock_page import (
    ExclusiveWaitByNonLocker,
    LockMappingEntrySelfDeadlock,
    LockPageDropsExclusiveWake,
    LockPageFreedInode,
    LockPageNullMapping,
)
from daxfuzz.protocols.bugs.page_counts import (
    DaxShareCountOffByOne,
    GupRefNeverDropped,
    MixedPmdPteAssociation,
)
from daxfuzz.protocols.bugs.pgmap import (
    PgmapReleaseBeforeLastPut,
)
from daxfuzz.protocols.bugs.series import (
    EvictTakesInodeLocks,
    MaybePinnedFallsWithoutWake,
    PgmapPutAtEntryDelete,
    PinOnlyIdleTest,
    ReclaimWaitsForPinHolder,
    WaitHoldingFsLocks,
    WakeAfterLastPutReadsPgmap,
    ZapToZeroWithNoOwner,
)
from daxfuzz.protocols.bugs.wakes import (
    BatchedReleaseSkipsIdleWake,
    GupPutSkipsFsdaxWake,
)
from daxfuzz.protocols.patch import Bug

ALL_BUGS: tuple[type[Bug], ...] = (
    TruncateIgnoresDmaPins,
    GupPutSkipsFsdaxWake,
    ScanSkipsLockedEntry,
    InvalidateNullEntryBreaksWakeChain,
    EvictIgnoresPins,
    FaultMapsStaleHoleVsWrite,
    PmdWaiterOnWrongQueue,
    HoleReplaceWakesOne,
    EntryLockVsTransactionAbba,
    LockPageDropsExclusiveWake,
    ExclusiveWaitByNonLocker,
    LockPageFreedInode,
    FaultVsPunchUnserialised,
    UnlockedConcurrentFaults,
    PgmapReleaseBeforeLastPut,
    GupfastPinVsForkWrprotect,
    BreakLayoutEmptyRange,
    PmdPteFaultCollision,
    LockMappingEntrySelfDeadlock,
    DaxShareCountOffByOne,
    LockPageNullMapping,
    GupRefNeverDropped,
    MkcleanMissesSecondMapping,
    BreakLayoutZapsPrivateCow,
    LongtermPinBlocksTruncate,
    UnmappedBusyPagesSkipped,
    PausedIteratorSkipsWaitedEntry,
    BatchedReleaseSkipsIdleWake,
    DaxImmapLockDeadlocks,
    MixedPmdPteAssociation,
    StaleHugeZeroPage,
    CowBreakEitherWay,
    FuseOpenLeaksInvalidateLock,
    PinOnlyIdleTest,
    MaybePinnedFallsWithoutWake,
    PgmapPutAtEntryDelete,
    WaitHoldingFsLocks,
    EvictTakesInodeLocks,
    ReclaimWaitsForPinHolder,
    WakeAfterLastPutReadsPgmap,
    ZapToZeroWithNoOwner,
)
"""In the order of their numbers."""
