"""All oracles, and their attachment to a simulation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from daxfuzz.oracles.association import Association
from daxfuzz.oracles.atomic_context import AtomicContext
from daxfuzz.oracles.beyond_end import BeyondEnd
from daxfuzz.oracles.careless_sleep import CarelessSleep
from daxfuzz.oracles.cow_ownership import CowOwnership
from daxfuzz.oracles.deadlock import Deadlock
from daxfuzz.oracles.device_life import DeviceLife
from daxfuzz.oracles.dma_corruption import DmaCorruption
from daxfuzz.oracles.entry_lock import EntryLock
from daxfuzz.oracles.entry_wake import EntryWake
from daxfuzz.oracles.failed_write import FailedWrite
from daxfuzz.oracles.false_enospc import FalseEnospc
from daxfuzz.oracles.false_outcome import FalseOutcome
from daxfuzz.oracles.false_sigbus import FalseSigbus
from daxfuzz.oracles.freed_block import FreedBlock
from daxfuzz.oracles.frozen_write import FrozenWrite
from daxfuzz.oracles.given_up_block import GivenUpBlock
from daxfuzz.oracles.held_longterm_pin import HeldLongtermPin
from daxfuzz.oracles.incomplete_freeze import IncompleteFreeze
from daxfuzz.oracles.inode_count import InodeCount
from daxfuzz.oracles.inode_use import InodeUse
from daxfuzz.oracles.kernel_warning import KernelWarning, SpuriousWarning
from daxfuzz.oracles.late_flush import LateFlush
from daxfuzz.oracles.layout_lease import LayoutLease
from daxfuzz.oracles.livelock import Livelock
from daxfuzz.oracles.lock_held import LockHeld
from daxfuzz.oracles.lock_order import LockOrder
from daxfuzz.oracles.lost_dirty_data import LostDirtyData
from daxfuzz.oracles.lost_name import LostName
from daxfuzz.oracles.lost_resource import LostResource
from daxfuzz.oracles.lost_wakeup import LostWakeup
from daxfuzz.oracles.lost_work import LostWork
from daxfuzz.oracles.mapcount import Mapcount
from daxfuzz.oracles.oracle import Oracle
from daxfuzz.oracles.page_tables import PageTables
from daxfuzz.oracles.refcount import Refcount
from daxfuzz.oracles.stale_data import StaleData
from daxfuzz.oracles.stale_pte import StalePte
from daxfuzz.oracles.unflushed_data import UnflushedData
from daxfuzz.oracles.unhandled_failure import UnhandledFailure
from daxfuzz.oracles.unlocked_access import UnlockedAccess
from daxfuzz.oracles.waits_for_stranger import WaitsForStranger
from daxfuzz.oracles.window_access import WindowAccess
from daxfuzz.oracles.wrong_page import WrongPage
from daxfuzz.oracles.wrong_result import WrongResult

if TYPE_CHECKING:
    from daxfuzz.program.simulation import Simulation

ORACLES: tuple[type[Oracle], ...] = (
    FreedBlock,
    GivenUpBlock,
    DmaCorruption,
    CowOwnership,
    Refcount,
    Mapcount,
    InodeCount,
    InodeUse,
    LostWakeup,
    LostWork,
    HeldLongtermPin,
    WaitsForStranger,
    Deadlock,
    LockOrder,
    LockHeld,
    AtomicContext,
    CarelessSleep,
    EntryLock,
    EntryWake,
    UnlockedAccess,
    PageTables,
    DeviceLife,
    Association,
    StalePte,
    BeyondEnd,
    LateFlush,
    WindowAccess,
    WrongPage,
    UnhandledFailure,
    FrozenWrite,
    IncompleteFreeze,
    LayoutLease,
    FalseOutcome,
    FailedWrite,
    StaleData,
    LostDirtyData,
    UnflushedData,
    LostResource,
    LostName,
    FalseEnospc,
    FalseSigbus,
    WrongResult,
    KernelWarning,
    SpuriousWarning,
    Livelock,
)
"""In the order in which those that look at the end of an execution are asked. use-after-free comes from sim itself."""


def attach(sim: Simulation, oracles: Iterable[type[Oracle]] | None = None) -> list[Oracle]:
    """Attach oracles, by default all that are on by default."""
    chosen = [oracle for oracle in ORACLES if oracle.default] if oracles is None else oracles
    return [oracle(sim) for oracle in chosen]
