"""Historical bugs: each takes away the fix of one from a protocol that has it.

One file for each family. Numbers are those of the catalogue of historical bugs: 1 to 28 are those that must be found
again, C1 and so on further ones, and S1 to S8 defects of the series of 2022 that its review has found.

Of the further ones these are left out, since the model does not have their mechanism, or shows nothing of it:

- C5, C6: page tables are not freed, and entries not replaced by huge ones, while they map something (khugepaged).
- C7: a folio is taken apart when nothing maps it, which the second look at the page-table entry notices.
- C11: counts have no width, so that they cannot overflow.
- C13: no page is migrated.
- C15, C17: a device is removed once, and not added.
- C18: there is no static key.
- C19: nobody else ever mounts the device.
- C21: the orphan list of ext4 is left out, which is what an interrupted truncate spoils.
- C22: that there is a lease is the only error of a look at it; an error of the wait for it is N-18.
- C24: entries are not marked special.
- C26: each PMD fault falls back, which is slow and nothing else.
- C28: read(2) and write(2) are of one page.
- C32: nothing that the lockless walk asks of a page changes while it is mapped.
- C33: a loop takes no time.
"""

from __future__ import annotations

from daxfuzz.protocols.bugs.busy_pages import (
    BreakLayoutEmptyRange,
    EntriesOutliveLayoutBreak,
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
    UnmapInAtomic,
    VirtiofsDmapReclaim,
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
    FsdaxFolioOrderResidue,
    GupRefNeverDropped,
    MixedPmdPteAssociation,
    ZeroPagePinLeak,
)
from daxfuzz.protocols.bugs.pgmap import (
    DevicePrivatePgmapRef,
    DmDaxSrcuLeak,
    PgmapReleaseBeforeLastPut,
    PmemUnmapBeforeQueueDrain,
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
from daxfuzz.protocols.bugs.translations import (
    MremapTlbVsTruncate,
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
    EntriesOutliveLayoutBreak,
    StaleHugeZeroPage,
    CowBreakEitherWay,
    ZeroPagePinLeak,
    DevicePrivatePgmapRef,
    PmemUnmapBeforeQueueDrain,
    FuseOpenLeaksInvalidateLock,
    FsdaxFolioOrderResidue,
    UnmapInAtomic,
    DmDaxSrcuLeak,
    VirtiofsDmapReclaim,
    MremapTlbVsTruncate,
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
