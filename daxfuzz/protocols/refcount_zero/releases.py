"""Of which changes v6.15 and v6.19 are made, one after the other."""

from __future__ import annotations

from daxfuzz.protocols.patch import Patch, Repair
from daxfuzz.protocols.refcount_zero.common_break import CommonBreakLayout
from daxfuzz.protocols.refcount_zero.common_fallocate import MoveOutCommonFallocate
from daxfuzz.protocols.refcount_zero.counted_pages import ProperlyRefcountFsDaxPages
from daxfuzz.protocols.refcount_zero.devdax_pages import ProperlyRefcountDevDaxPages
from daxfuzz.protocols.refcount_zero.dirty_writes import DirtyOnlyWrites
from daxfuzz.protocols.refcount_zero.fallocate_lock import LockInodeInFallocate
from daxfuzz.protocols.refcount_zero.idle_before_unmount import EnsureIdleBeforeUnmount
from daxfuzz.protocols.refcount_zero.inode_extension import SyncFileSizeUpdate
from daxfuzz.protocols.refcount_zero.insert_folio_pmd import AddVmfInsertFolioPmd
from daxfuzz.protocols.refcount_zero.insert_page import AddVmfInsertPageMkwrite
from daxfuzz.protocols.refcount_zero.locked_entries import DontSkipLockedEntries
from daxfuzz.protocols.refcount_zero.map_pages import RemoveMapPagesWrapper
from daxfuzz.protocols.refcount_zero.pre_remove import IntroducePreRemove
from daxfuzz.protocols.refcount_zero.reads_during_reflink import AllowReadsDuringReflink
from daxfuzz.protocols.refcount_zero.removed_entries import RemoveEntriesOnBreak
from daxfuzz.protocols.refcount_zero.unmapped_busy_pages import ReturnUnmappedBusyPages
from daxfuzz.protocols.repairs.cow_invalidates import FixCowInvalidates
from daxfuzz.protocols.repairs.devdax_index import FixDevdaxIndex
from daxfuzz.protocols.repairs.end_cow_under_ilock import FixEndCowUnderIlock
from daxfuzz.protocols.repairs.fuse_eviction import FixFuseEviction
from daxfuzz.protocols.repairs.fuse_whole_file import FixFuseWholeFile
from daxfuzz.protocols.repairs.kill_list import FixKillList
from daxfuzz.protocols.repairs.lru_pins_inode import FixLruPinsInode
from daxfuzz.protocols.repairs.put_on_dying_pagemap import FixPutOnDyingPagemap
from daxfuzz.protocols.repairs.reset_before_waiting import FixResetBeforeWaiting
from daxfuzz.protocols.repairs.shared_reads import FixSharedReads

V6_15: tuple[type[Patch], ...] = (
    LockInodeInFallocate,
    DirtyOnlyWrites,
    RemoveMapPagesWrapper,
    AllowReadsDuringReflink,
    SyncFileSizeUpdate,
    IntroducePreRemove,
    MoveOutCommonFallocate,
    ReturnUnmappedBusyPages,
    DontSkipLockedEntries,
    CommonBreakLayout,
    RemoveEntriesOnBreak,
    EnsureIdleBeforeUnmount,
    AddVmfInsertPageMkwrite,
    AddVmfInsertFolioPmd,
    ProperlyRefcountFsDaxPages,
    ProperlyRefcountDevDaxPages,
    # Of v6.0's flaws, it has these repaired just so.
    FixPutOnDyingPagemap,
    FixKillList,
    FixFuseWholeFile,
    FixSharedReads,
    FixCowInvalidates,
    FixEndCowUnderIlock,
    FixLruPinsInode,
    FixDevdaxIndex,
)
"""As released."""

SINCE_V6_15: tuple[type[Repair], ...] = (FixResetBeforeWaiting, FixFuseEviction)
"""Repairs of v6.15 that v6.19 has."""

REFCOUNT_ZERO: tuple[type[Patch], ...] = (*V6_15, *SINCE_V6_15)
