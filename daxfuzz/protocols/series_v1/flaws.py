"""The flaws that are known for v6.0 and each prefix of the series' first version, as their repairs."""

from __future__ import annotations

from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.associated_index import FixAssociatedIndex
from daxfuzz.protocols.repairs.association_failure import FixAssociationFailure
from daxfuzz.protocols.repairs.devdax_entry_order import FixDevdaxEntryOrder
from daxfuzz.protocols.repairs.devdax_index import FixDevdaxIndex
from daxfuzz.protocols.repairs.devdax_index_first import FixDevdaxIndexFirst
from daxfuzz.protocols.repairs.devdax_unmaps import FixDevdaxUnmaps
from daxfuzz.protocols.repairs.entries_hold_device import FixEntriesHoldDevice
from daxfuzz.protocols.repairs.evict_waits import FixEvictWaits
from daxfuzz.protocols.repairs.fault_holds_device import FixFaultHoldsDevice
from daxfuzz.protocols.repairs.flush_before_unlink import FixFlushBeforeUnlink
from daxfuzz.protocols.repairs.groups import DEVICE, FUSE, GUP, XFS
from daxfuzz.protocols.repairs.idle_on_refcount import FixIdleOnRefcount
from daxfuzz.protocols.repairs.lock_char_entry import FixLockCharEntry
from daxfuzz.protocols.repairs.lru_pins_inode import FixLruPinsInode
from daxfuzz.protocols.repairs.mapping_mapped import FixMappingMapped
from daxfuzz.protocols.repairs.mkclean_flushes import FixMkcleanFlushes
from daxfuzz.protocols.repairs.move_holds_rmap import FixMoveHoldsRmap
from daxfuzz.protocols.repairs.pud_wait_key import FixPudWaitKey
from daxfuzz.protocols.repairs.rescan_after_wake import FixRescanAfterWake
from daxfuzz.protocols.repairs.skip_locked import FixSkipLocked
from daxfuzz.protocols.repairs.sync_pmd_over_table import FixSyncPmdOverTable
from daxfuzz.protocols.repairs.truncate_flushes_huge import FixTruncateFlushesHuge
from daxfuzz.protocols.repairs.unshare_anon_only import FixUnshareAnonOnly
from daxfuzz.protocols.repairs.waiter_holds_pgmap import FixWaiterHoldsPagemap
from daxfuzz.protocols.repairs.wake_on_threshold import FixWakeOnThreshold
from daxfuzz.protocols.repairs.wake_without_folio import FixWakeWithoutFolio
from daxfuzz.protocols.repairs.write_keeps_entries import FixWriteKeepsEntries
from daxfuzz.protocols.repairs.write_unmaps_hole import FixWriteUnmapsHole
from daxfuzz.protocols.repairs.writeback_waits import FixWritebackWaits
from daxfuzz.protocols.series_v1 import SERIES_V1

Known = tuple[tuple[range, tuple[type[Repair], ...]], ...]
"""Repairs of the flaws that a series has, each with the numbers of patches applied at which it has them."""


def known_at(flaws: Known, count: int) -> tuple[type[Repair], ...]:
    """The repairs of all flaws that a series has when `count` of its patches are applied."""
    return tuple(repair for counts, repairs in flaws if count in counts for repair in repairs)


_V6_0 = (
    FixEvictWaits,
    FixMappingMapped,
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
    *DEVICE,
    *XFS,
    *FUSE,
)


_END = len(SERIES_V1) + 1

V1_FLAWS: Known = (
    # The wider repair of F-23 goes on top of it.
    (range(7, _END), (FixEntriesHoldDevice,)),
    (range(_END), _V6_0),
    (range(7), (FixFaultHoldsDevice,)),
    (range(2, _END), (FixWakeWithoutFolio, FixWakeOnThreshold, FixIdleOnRefcount)),
    (range(5, _END), (FixAssociatedIndex,)),
    (range(7, _END), (FixAssociationFailure,)),
    (range(11, _END), (FixPudWaitKey,)),
    (range(12), (FixDevdaxIndex, FixDevdaxIndexFirst)),
    (range(12, _END), (FixDevdaxUnmaps, FixLockCharEntry, FixDevdaxEntryOrder)),
    (range(13, _END), GUP),
    (range(_END), (FixWaiterHoldsPagemap,)),
)
