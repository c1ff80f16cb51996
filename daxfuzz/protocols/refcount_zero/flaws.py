"""The flaws that are known for refcount-0, as their repairs."""

from __future__ import annotations

from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.devdax_index_first import FixDevdaxIndexFirst
from daxfuzz.protocols.repairs.failed_write_grows import FixFailedWriteGrows
from daxfuzz.protocols.repairs.fault_holds_device import FixFaultHoldsDevice
from daxfuzz.protocols.repairs.flush_before_delete import FixFlushBeforeDelete
from daxfuzz.protocols.repairs.free_under_rcu import FixFreeUnderRcu
from daxfuzz.protocols.repairs.groups import FUSE_LATER, XFS_LATER
from daxfuzz.protocols.repairs.idle_while_mapped import FixIdleWhileMapped
from daxfuzz.protocols.repairs.mkclean_flushes import FixMkcleanFlushes
from daxfuzz.protocols.repairs.move_holds_rmap import FixMoveHoldsRmap
from daxfuzz.protocols.repairs.removal_spares_busy import FixRemovalSparesBusy
from daxfuzz.protocols.repairs.rescan_after_wake import FixRescanAfterWake
from daxfuzz.protocols.repairs.shared_sizes import FixSharedSizes
from daxfuzz.protocols.repairs.stale_share import FixStaleShare
from daxfuzz.protocols.repairs.sync_pmd_over_table import FixSyncPmdOverTable
from daxfuzz.protocols.repairs.unbind_breaks import FixUnbindBreaks
from daxfuzz.protocols.repairs.unbind_waits import FixUnbindWaits
from daxfuzz.protocols.repairs.unmap_before_count import FixUnmapBeforeCount
from daxfuzz.protocols.repairs.waiter_holds_pgmap import FixWaiterHoldsPagemap
from daxfuzz.protocols.repairs.write_keeps_entries import FixWriteKeepsEntries
from daxfuzz.protocols.repairs.write_unmaps_hole import FixWriteUnmapsHole
from daxfuzz.protocols.repairs.writeback_waits import FixWritebackWaits
from daxfuzz.protocols.repairs.zap_huge_flushes import FixZapHugeFlushes
from daxfuzz.protocols.repairs.zero_page_retried import FixZeroPageRetried

ZERO_FLAWS: tuple[type[Repair], ...] = (
    FixIdleWhileMapped,
    FixSyncPmdOverTable,
    FixUnmapBeforeCount,
    FixMoveHoldsRmap,
    FixRescanAfterWake,
    FixWriteKeepsEntries,
    FixWriteUnmapsHole,
    FixZeroPageRetried,
    FixFailedWriteGrows,
    FixStaleShare,
    FixWritebackWaits,
    FixMkcleanFlushes,
    FixZapHugeFlushes,
    FixFlushBeforeDelete,
    # Who waits for references waits for their sections afterwards.
    FixFreeUnderRcu,
    FixUnbindWaits,
    FixDevdaxIndexFirst,
    FixFaultHoldsDevice,
    FixRemovalSparesBusy,
    FixUnbindBreaks,
    *XFS_LATER,
    FixSharedSizes,
    *FUSE_LATER,
    FixWaiterHoldsPagemap,
)
