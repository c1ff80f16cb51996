"""Every protocol, patch and repair by name, and kernels composed from their names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from daxfuzz.protocols.compose import ComposedKernel, ComposeError, compose
from daxfuzz.protocols.patch import Patch, Repair
from daxfuzz.protocols.refcount_zero import REFCOUNT_ZERO, RevertWaitEntryAdvance
from daxfuzz.protocols.refcount_zero.flaws import ZERO_FLAWS
from daxfuzz.protocols.repairs.associated_index import FixAssociatedIndex
from daxfuzz.protocols.repairs.association_failure import FixAssociationFailure
from daxfuzz.protocols.repairs.cow_busy import FixCowBusy
from daxfuzz.protocols.repairs.cow_count import FixCowCount
from daxfuzz.protocols.repairs.cow_invalidates import FixCowInvalidates
from daxfuzz.protocols.repairs.cow_reference import FixCowReference
from daxfuzz.protocols.repairs.deleted_without_zap import FixDeletedWithoutZap
from daxfuzz.protocols.repairs.devdax_unmaps import FixDevdaxUnmaps
from daxfuzz.protocols.repairs.entries_hold_device import FixEntriesHoldDevice
from daxfuzz.protocols.repairs.evict_waits import FixEvictWaits
from daxfuzz.protocols.repairs.failed_write_waits import FixFailedWriteWaits
from daxfuzz.protocols.repairs.fault_holds_device import FixFaultHoldsDevice
from daxfuzz.protocols.repairs.flush_before_unlink import FixFlushBeforeUnlink
from daxfuzz.protocols.repairs.freed_association import FixFreedAssociation
from daxfuzz.protocols.repairs.fresh_pmd import FixFreshPmd
from daxfuzz.protocols.repairs.fuse_whole_file import FixFuseWholeFile
from daxfuzz.protocols.repairs.grab_followed_page import FixGrabFollowedPage
from daxfuzz.protocols.repairs.gup_nowait import FixGupNowait
from daxfuzz.protocols.repairs.idle_on_refcount import FixIdleOnRefcount
from daxfuzz.protocols.repairs.inline_reclaim_pointer import FixInlineReclaimPointer
from daxfuzz.protocols.repairs.kill_list import FixKillList
from daxfuzz.protocols.repairs.lease_signal import FixLeaseSignal
from daxfuzz.protocols.repairs.lock_char_entry import FixLockCharEntry
from daxfuzz.protocols.repairs.lockless_huge_grab import FixLocklessHugeGrab
from daxfuzz.protocols.repairs.mapping_mapped import FixMappingMapped
from daxfuzz.protocols.repairs.notify_without_agf import FixNotifyWithoutAgf
from daxfuzz.protocols.repairs.open_keeps_entries import FixOpenKeepsEntries
from daxfuzz.protocols.repairs.open_unlocks import FixOpenUnlocks
from daxfuzz.protocols.repairs.pmd_makes_way import FixPmdMakesWay
from daxfuzz.protocols.repairs.pud_wait_key import FixPudWaitKey
from daxfuzz.protocols.repairs.put_on_dying_pagemap import FixPutOnDyingPagemap
from daxfuzz.protocols.repairs.resample_cow import FixResampleCow
from daxfuzz.protocols.repairs.second_mmaplock import FixSecondMmaplock
from daxfuzz.protocols.repairs.share_lock import FixShareLock
from daxfuzz.protocols.repairs.shared_page_failure import FixSharedPageFailure
from daxfuzz.protocols.repairs.shared_reads import FixSharedReads
from daxfuzz.protocols.repairs.shared_warning import FixSharedWarning
from daxfuzz.protocols.repairs.skip_locked import FixSkipLocked
from daxfuzz.protocols.repairs.truncate_flushes_huge import FixTruncateFlushesHuge
from daxfuzz.protocols.repairs.unbind_invalidates import FixUnbindInvalidates
from daxfuzz.protocols.repairs.unbind_waits import FixUnbindWaits
from daxfuzz.protocols.repairs.undo_huge_grabs import FixUndoHugeGrabs
from daxfuzz.protocols.repairs.unshare_anon_only import FixUnshareAnonOnly
from daxfuzz.protocols.repairs.upgrade_of_other import FixUpgradeOfOther
from daxfuzz.protocols.repairs.waiter_holds_pgmap import FixWaiterHoldsPagemap
from daxfuzz.protocols.repairs.wake_on_threshold import FixWakeOnThreshold
from daxfuzz.protocols.repairs.wake_without_folio import FixWakeWithoutFolio
from daxfuzz.protocols.repairs.write_unshares import FixWriteUnshares
from daxfuzz.protocols.repairs.write_without_faults import FixWriteWithoutFaults
from daxfuzz.protocols.repairs.writeback_waits import FixWritebackWaits
from daxfuzz.protocols.repairs.zapped_entries_stay import FixZappedEntriesStay
from daxfuzz.protocols.repairs.zapped_for_ever import FixZappedForEver
from daxfuzz.protocols.series_v1 import SERIES_V1
from daxfuzz.protocols.series_v3 import SERIES_V3


@dataclass(frozen=True, slots=True)
class Protocol:
    """A generation. repairs: of the flaws that are known for it; all of them make its -fixed form."""

    name: str
    summary: str
    patches: tuple[type[Patch], ...]
    repairs: tuple[type[Repair], ...]


Known = tuple[tuple[range, tuple[type[Repair], ...]], ...]
"""Repairs of the flaws that a series has, each with the numbers of patches applied at which it has them."""


def known_at(flaws: Known, count: int) -> tuple[type[Repair], ...]:
    """The repairs of all flaws that a series has when `count` of its patches are applied."""
    return tuple(repair for counts, repairs in flaws if count in counts for repair in repairs)


_DEVICE = (
    FixUnbindWaits,
    FixUnbindInvalidates,
    FixPutOnDyingPagemap,
    FixSharedPageFailure,
    FixKillList,
)
_XFS = (
    FixCowCount,
    FixSharedReads,
    FixShareLock,
    FixSharedWarning,
    FixSecondMmaplock,
    FixCowBusy,
    FixCowInvalidates,
    FixFailedWriteWaits,
    FixResampleCow,
    FixWriteUnshares,
    FixLeaseSignal,
    FixNotifyWithoutAgf,
    FixPmdMakesWay,
)
_FUSE = (
    FixFuseWholeFile,
    FixInlineReclaimPointer,
    FixUpgradeOfOther,
    FixOpenUnlocks,
    FixOpenKeepsEntries,
    FixWriteWithoutFaults,
    FixGupNowait,
)
_COMMON = (
    FixEvictWaits,
    FixMappingMapped,
    FixSkipLocked,
    FixFlushBeforeUnlink,
    FixWritebackWaits,
    FixTruncateFlushesHuge,
    FixUnshareAnonOnly,
    *_DEVICE,
    *_XFS,
    *_FUSE,
)


_GUP = (FixGrabFollowedPage, FixFreshPmd, FixUndoHugeGrabs)

_V1 = len(SERIES_V1) + 1

V1_FLAWS: Known = (
    # The wider repair of F-23 goes on top of it.
    (range(7, _V1), (FixEntriesHoldDevice,)),
    (range(_V1), _COMMON),
    (range(7), (FixFaultHoldsDevice,)),
    (range(2, _V1), (FixWakeWithoutFolio, FixWakeOnThreshold, FixIdleOnRefcount)),
    (range(5, _V1), (FixAssociatedIndex,)),
    (range(7, _V1), (FixAssociationFailure,)),
    (range(11, _V1), (FixPudWaitKey,)),
    (range(12, _V1), (FixDevdaxUnmaps, FixLockCharEntry)),
    (range(13, _V1), _GUP),
    (range(_V1), (FixWaiterHoldsPagemap,)),
)

V3_FLAWS = (
    FixSkipLocked,
    FixFlushBeforeUnlink,
    FixWritebackWaits,
    FixTruncateFlushesHuge,
    FixUnshareAnonOnly,
    FixAssociatedIndex,
    FixAssociationFailure,
    FixCowReference,
    FixZappedForEver,
    FixDeletedWithoutZap,
    FixFreedAssociation,
    FixPudWaitKey,
    *_GUP,
    FixLocklessHugeGrab,
    FixEntriesHoldDevice,
    FixZappedEntriesStay,
    FixUnbindInvalidates,
    FixLockCharEntry,
    FixPutOnDyingPagemap,
    FixSharedPageFailure,
    FixKillList,
    *_FUSE,
    FixWaiterHoldsPagemap,
)

_GENERATIONS = (
    Protocol("refcount-1", "v6.0: waits until the reference count is 1", (), known_at(V1_FLAWS, 0)),
    Protocol(
        "pin-wait",
        "v6.0 and patches 01 to 03 of the 2022 series: waits for pins",
        SERIES_V1[:3],
        known_at(V1_FLAWS, 3),
    ),
    Protocol(
        "series-v1",
        "v6.0 and all 13 patches of the series' first version: entries hold page-map references",
        SERIES_V1,
        known_at(V1_FLAWS, len(SERIES_V1)),
    ),
    Protocol(
        "series-v3", "v6.0 and the series' third version: pages are idle at 0, entries hold them", SERIES_V3, V3_FLAWS
    ),
    Protocol("refcount-0", "v6.19: pages are idle at 0, those who map them hold them", REFCOUNT_ZERO, ZERO_FLAWS),
)

SERIES: dict[str, tuple[type[Patch], ...]] = {"series-v1": SERIES_V1}
"""Series of patches; any prefix of one is a protocol, as series-v1:2."""


def fixed(generation: Protocol, summary: str) -> Protocol:
    """The -fixed form of a protocol."""
    return Protocol(f"{generation.name}-fixed", summary, (*generation.patches, *generation.repairs), ())


PROTOCOLS: dict[str, Protocol] = {}
for _generation in _GENERATIONS:
    PROTOCOLS[_generation.name] = _generation
    _fixed = fixed(_generation, f"{_generation.name} with every known flaw repaired")
    PROTOCOLS[_fixed.name] = _fixed


_ALL: tuple[type[Patch], ...] = (
    *SERIES_V1,
    *SERIES_V3,
    *(repair for _, repairs in V1_FLAWS for repair in repairs),
    *V3_FLAWS,
    *REFCOUNT_ZERO,
    RevertWaitEntryAdvance,
    *ZERO_FLAWS,
)

PATCHES: dict[str, type[Patch]] = {each.slug(): each for each in _ALL}


class UnknownName(ValueError):
    """A name that the registry does not have. One line that says what there is."""


def protocol(name: str) -> Protocol:
    """A protocol by name, a prefix of a series included. Raises UnknownName."""
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if match := re.fullmatch(r"([a-z0-9-]+):(\d+)(-fixed)?", name):
        series = SERIES.get(match[1])
        count = int(match[2])
        if series is not None and 0 <= count <= len(series):
            summary = f"the first {count} patches of {match[1]}"
            prefix = Protocol(f"{match[1]}:{count}", summary, series[:count], known_at(V1_FLAWS, count))
            return fixed(prefix, f"{summary} with every known flaw repaired") if match[3] else prefix
        if series is not None:
            raise UnknownName(f"{match[1]} has patches 1 to {len(series)}, not {count}")
    raise unknown("protocol", name, [*PROTOCOLS, *(f"{series}:N" for series in SERIES)])


def patch(name: str, extra: Mapping[str, type[Patch]] | None = None) -> type[Patch]:
    """A patch by name, from the registry or from the patches that the user has loaded. Raises UnknownName."""
    found = PATCHES.get(name) or (extra or {}).get(name)
    if found is None:
        raise unknown("patch", name, [*PATCHES, *(extra or {})])
    return found


def unknown(what: str, name: str, known: list[str]) -> UnknownName:
    """The error for a name that does not exist, with the nearest one or all of them."""
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    return UnknownName(f"unknown {what} {name!r}; {hint}")


def build(name: str, patches: tuple[str, ...], extra: Mapping[str, type[Patch]] | None = None) -> ComposedKernel:
    """Compose the kernel of a protocol and patches by name. Raises UnknownName or ComposeError."""
    applied = (*protocol(name).patches, *(patch(each, extra) for each in patches))
    return _composed(applied)


@lru_cache(maxsize=512)
def _composed(applied: tuple[type[Patch], ...]) -> ComposedKernel:
    return compose(applied)


__all__ = ["PATCHES", "PROTOCOLS", "SERIES", "ComposeError", "Protocol", "UnknownName", "build", "patch", "protocol"]
