"""The flaws that are known for the series' third version, as their repairs."""

from __future__ import annotations

from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.associated_index import FixAssociatedIndex
from daxfuzz.protocols.repairs.association_failure import FixAssociationFailure
from daxfuzz.protocols.repairs.cow_reference import FixCowReference
from daxfuzz.protocols.repairs.deleted_without_zap import FixDeletedWithoutZap
from daxfuzz.protocols.repairs.devdax_entry_order import FixDevdaxEntryOrder
from daxfuzz.protocols.repairs.entries_hold_device import FixEntriesHoldDevice
from daxfuzz.protocols.repairs.flush_before_unlink import FixFlushBeforeUnlink
from daxfuzz.protocols.repairs.freed_association import FixFreedAssociation
from daxfuzz.protocols.repairs.groups import FUSE, GUP, XFS_EARLIER
from daxfuzz.protocols.repairs.kill_list import FixKillList
from daxfuzz.protocols.repairs.lock_char_entry import FixLockCharEntry
from daxfuzz.protocols.repairs.lockless_huge_grab import FixLocklessHugeGrab
from daxfuzz.protocols.repairs.lru_pins_inode import FixLruPinsInode
from daxfuzz.protocols.repairs.mkclean_flushes import FixMkcleanFlushes
from daxfuzz.protocols.repairs.move_holds_rmap import FixMoveHoldsRmap
from daxfuzz.protocols.repairs.pud_wait_key import FixPudWaitKey
from daxfuzz.protocols.repairs.put_on_dying_pagemap import FixPutOnDyingPagemap
from daxfuzz.protocols.repairs.rescan_after_wake import FixRescanAfterWake
from daxfuzz.protocols.repairs.shared_idle import FixSharedIdle
from daxfuzz.protocols.repairs.shared_page_failure import FixSharedPageFailure
from daxfuzz.protocols.repairs.skip_locked import FixSkipLocked
from daxfuzz.protocols.repairs.sync_pmd_over_table import FixSyncPmdOverTable
from daxfuzz.protocols.repairs.truncate_flushes_huge import FixTruncateFlushesHuge
from daxfuzz.protocols.repairs.unbind_invalidates import FixUnbindInvalidates
from daxfuzz.protocols.repairs.unshare_anon_only import FixUnshareAnonOnly
from daxfuzz.protocols.repairs.waiter_holds_pgmap import FixWaiterHoldsPagemap
from daxfuzz.protocols.repairs.write_keeps_entries import FixWriteKeepsEntries
from daxfuzz.protocols.repairs.write_unmaps_hole import FixWriteUnmapsHole
from daxfuzz.protocols.repairs.writeback_waits import FixWritebackWaits
from daxfuzz.protocols.repairs.zapped_entries_stay import FixZappedEntriesStay
from daxfuzz.protocols.repairs.zapped_for_ever import FixZappedForEver

V3_FLAWS: tuple[type[Repair], ...] = (
    FixSkipLocked,
    FixFlushBeforeUnlink,
    FixWritebackWaits,
    FixMkcleanFlushes,
    FixTruncateFlushesHuge,
    FixUnshareAnonOnly,
    FixMoveHoldsRmap,
    FixSyncPmdOverTable,
    FixLruPinsInode,
    FixRescanAfterWake,
    FixWriteKeepsEntries,
    FixWriteUnmapsHole,
    FixAssociatedIndex,
    FixAssociationFailure,
    FixCowReference,
    FixZappedForEver,
    FixDeletedWithoutZap,
    FixFreedAssociation,
    FixPudWaitKey,
    FixDevdaxEntryOrder,
    *GUP,
    FixLocklessHugeGrab,
    FixEntriesHoldDevice,
    FixZappedEntriesStay,
    FixUnbindInvalidates,
    FixLockCharEntry,
    FixPutOnDyingPagemap,
    FixSharedPageFailure,
    FixKillList,
    *XFS_EARLIER,
    FixSharedIdle,
    *FUSE,
    FixWaiterHoldsPagemap,
)
