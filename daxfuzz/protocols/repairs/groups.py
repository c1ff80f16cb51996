"""Repairs that several protocols have together, in the order in which they are applied."""

from __future__ import annotations

from daxfuzz.protocols.repairs.cow_busy import FixCowBusy
from daxfuzz.protocols.repairs.cow_count import FixCowCount
from daxfuzz.protocols.repairs.cow_flushes import FixCowFlushes
from daxfuzz.protocols.repairs.cow_invalidates import FixCowInvalidates
from daxfuzz.protocols.repairs.cow_is_dirty import FixCowIsDirty
from daxfuzz.protocols.repairs.end_cow_under_ilock import FixEndCowUnderIlock
from daxfuzz.protocols.repairs.failed_cow_entry import FixFailedCowEntry
from daxfuzz.protocols.repairs.failed_inode_later import FixFailedInodeLater
from daxfuzz.protocols.repairs.failed_write_waits import FixFailedWriteWaits
from daxfuzz.protocols.repairs.failure_reads_name_once import FixFailureReadsNameOnce
from daxfuzz.protocols.repairs.fresh_pmd import FixFreshPmd
from daxfuzz.protocols.repairs.fuse_whole_file import FixFuseWholeFile
from daxfuzz.protocols.repairs.grab_followed_page import FixGrabFollowedPage
from daxfuzz.protocols.repairs.gup_nowait import FixGupNowait
from daxfuzz.protocols.repairs.inline_reclaim_pointer import FixInlineReclaimPointer
from daxfuzz.protocols.repairs.kill_list import FixKillList
from daxfuzz.protocols.repairs.lease_signal import FixLeaseSignal
from daxfuzz.protocols.repairs.notify_without_agf import FixNotifyWithoutAgf
from daxfuzz.protocols.repairs.open_keeps_entries import FixOpenKeepsEntries
from daxfuzz.protocols.repairs.open_unlocks import FixOpenUnlocks
from daxfuzz.protocols.repairs.pmd_makes_way import FixPmdMakesWay
from daxfuzz.protocols.repairs.prune_spares_busy import FixPruneSparesBusy
from daxfuzz.protocols.repairs.put_on_dying_pagemap import FixPutOnDyingPagemap
from daxfuzz.protocols.repairs.range_wait_unlocked import FixRangeWaitUnlocked
from daxfuzz.protocols.repairs.resample_cow import FixResampleCow
from daxfuzz.protocols.repairs.second_mmaplock import FixSecondMmaplock
from daxfuzz.protocols.repairs.share_lock import FixShareLock
from daxfuzz.protocols.repairs.shared_page_failure import FixSharedPageFailure
from daxfuzz.protocols.repairs.shared_reads import FixSharedReads
from daxfuzz.protocols.repairs.shared_warning import FixSharedWarning
from daxfuzz.protocols.repairs.sync_pte_below_pmd import FixSyncPteBelowPmd
from daxfuzz.protocols.repairs.unbind_invalidates import FixUnbindInvalidates
from daxfuzz.protocols.repairs.unbind_waits import FixUnbindWaits
from daxfuzz.protocols.repairs.undo_huge_grabs import FixUndoHugeGrabs
from daxfuzz.protocols.repairs.unshare_durable import FixUnshareDurable
from daxfuzz.protocols.repairs.upgrade_of_other import FixUpgradeOfOther
from daxfuzz.protocols.repairs.write_unshares import FixWriteUnshares
from daxfuzz.protocols.repairs.write_without_faults import FixWriteWithoutFaults

DEVICE = (
    FixUnbindWaits,
    FixUnbindInvalidates,
    FixPutOnDyingPagemap,
    FixSharedPageFailure,
    FixKillList,
)
"""The removal of a device, and memory failure."""

XFS_LATER = (
    FixShareLock,
    FixSecondMmaplock,
    FixCowBusy,
    FixFailedCowEntry,
    FixCowFlushes,
    FixCowIsDirty,
    FixFailedWriteWaits,
    FixResampleCow,
    FixWriteUnshares,
    FixLeaseSignal,
    FixNotifyWithoutAgf,
    FixFailureReadsNameOnce,
    FixFailedInodeLater,
    FixPmdMakesWay,
    FixSyncPteBelowPmd,
    FixUnshareDurable,
)
"""xfs, and files that share blocks: what v6.19 has, too."""

XFS_EARLIER = (FixCowCount, FixSharedReads, FixCowInvalidates, FixEndCowUnderIlock, *XFS_LATER)
"""The same, of v6.0 and all versions of the series."""

XFS = (FixSharedWarning, *XFS_EARLIER)
"""The same, of v6.0 and the series' first version."""

FUSE_LATER = (
    FixInlineReclaimPointer,
    FixUpgradeOfOther,
    FixOpenUnlocks,
    FixOpenKeepsEntries,
    FixWriteWithoutFaults,
    FixGupNowait,
    FixRangeWaitUnlocked,
    FixPruneSparesBusy,
)
"""virtio-fs: what v6.19 has, too."""

FUSE = (FixFuseWholeFile, *FUSE_LATER)
"""The same, of v6.0."""

GUP = (FixGrabFollowedPage, FixFreshPmd, FixUndoHugeGrabs)
"""get_user_pages without page maps: patch 13 of the series."""
