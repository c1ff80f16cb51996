"""Every protocol, patch and repair by name, and kernels composed from their names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from daxfuzz.protocols.compose import ComposedKernel, ComposeError, compose
from daxfuzz.protocols.patch import Patch, Repair
from daxfuzz.protocols.repairs.evict_waits import FixEvictWaits
from daxfuzz.protocols.repairs.fault_holds_device import FixFaultHoldsDevice
from daxfuzz.protocols.repairs.flush_before_unlink import FixFlushBeforeUnlink
from daxfuzz.protocols.repairs.idle_on_refcount import FixIdleOnRefcount
from daxfuzz.protocols.repairs.kill_list import FixKillList
from daxfuzz.protocols.repairs.mapping_mapped import FixMappingMapped
from daxfuzz.protocols.repairs.put_on_dying_pagemap import FixPutOnDyingPagemap
from daxfuzz.protocols.repairs.shared_page_failure import FixSharedPageFailure
from daxfuzz.protocols.repairs.skip_locked import FixSkipLocked
from daxfuzz.protocols.repairs.truncate_flushes_huge import FixTruncateFlushesHuge
from daxfuzz.protocols.repairs.unbind_invalidates import FixUnbindInvalidates
from daxfuzz.protocols.repairs.unbind_waits import FixUnbindWaits
from daxfuzz.protocols.repairs.unshare_anon_only import FixUnshareAnonOnly
from daxfuzz.protocols.repairs.waiter_holds_pgmap import FixWaiterHoldsPagemap
from daxfuzz.protocols.repairs.wake_on_threshold import FixWakeOnThreshold
from daxfuzz.protocols.repairs.wake_without_folio import FixWakeWithoutFolio
from daxfuzz.protocols.repairs.writeback_waits import FixWritebackWaits
from daxfuzz.protocols.series_v1 import SERIES_V1


@dataclass(frozen=True, slots=True)
class Protocol:
    """A generation. repairs: of the flaws that are known for it; all of them make its -fixed form."""

    name: str
    summary: str
    patches: tuple[type[Patch], ...]
    repairs: tuple[type[Repair], ...]


_DEVICE = (
    FixUnbindWaits,
    FixFaultHoldsDevice,
    FixUnbindInvalidates,
    FixPutOnDyingPagemap,
    FixSharedPageFailure,
    FixKillList,
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
)
_REFCOUNT_1 = (*_COMMON, FixWaiterHoldsPagemap)
_PIN_WAIT = (*_COMMON, FixWakeOnThreshold, FixIdleOnRefcount, FixWakeWithoutFolio, FixWaiterHoldsPagemap)

_GENERATIONS = (
    Protocol("refcount-1", "v6.0: waits until the reference count is 1", (), _REFCOUNT_1),
    Protocol("pin-wait", "v6.0 and patches 01 to 03 of the 2022 series: waits for pins", SERIES_V1, _PIN_WAIT),
)

PROTOCOLS: dict[str, Protocol] = {}
for _generation in _GENERATIONS:
    PROTOCOLS[_generation.name] = _generation
    PROTOCOLS[f"{_generation.name}-fixed"] = Protocol(
        f"{_generation.name}-fixed",
        f"{_generation.name} with every known flaw repaired",
        (*_generation.patches, *_generation.repairs),
        (),
    )

SERIES: dict[str, tuple[type[Patch], ...]] = {"series-v1": SERIES_V1}
"""Series of patches; any prefix of one is a protocol, as series-v1:2."""

_ALL: tuple[type[Patch], ...] = (*SERIES_V1, *_PIN_WAIT)

PATCHES: dict[str, type[Patch]] = {each.slug(): each for each in _ALL}


class UnknownName(ValueError):
    """A name that the registry does not have. One line that says what there is."""


def protocol(name: str) -> Protocol:
    """A protocol by name, a prefix of a series included. Raises UnknownName."""
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if match := re.fullmatch(r"([a-z0-9-]+):(\d+)", name):
        series = SERIES.get(match[1])
        count = int(match[2])
        if series is not None and 0 <= count <= len(series):
            same = {SERIES_V1[:0]: "refcount-1", SERIES_V1: "pin-wait"}.get(series[:count])
            repairs = PROTOCOLS[same].repairs if same else _COMMON
            return Protocol(name, f"the first {count} patches of {match[1]}", series[:count], repairs)
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
