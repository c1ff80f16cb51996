"""Every protocol, patch, repair and bug by name, and kernels composed from their names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from daxfuzz.protocols.bugs import ALL_BUGS
from daxfuzz.protocols.compose import ComposedKernel, ComposeError, compose
from daxfuzz.protocols.patch import Bug, Patch, Repair
from daxfuzz.protocols.refcount_zero.flaws import ZERO_FLAWS
from daxfuzz.protocols.refcount_zero.releases import REFCOUNT_ZERO, SINCE_V6_15, V6_15
from daxfuzz.protocols.refcount_zero.revert_wait_entry_advance import RevertWaitEntryAdvance
from daxfuzz.protocols.series_v1 import SERIES_V1
from daxfuzz.protocols.series_v1.flaws import V1_FLAWS, known_at
from daxfuzz.protocols.series_v3 import SERIES_V3
from daxfuzz.protocols.series_v3.flaws import V3_FLAWS


@dataclass(frozen=True, slots=True)
class Protocol:
    """A generation. repairs: of the flaws that are known for it; all of them make its -fixed form."""

    name: str
    summary: str
    patches: tuple[type[Patch], ...]
    repairs: tuple[type[Repair], ...]


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
    Protocol(
        "refcount-0-v6.15",
        "v6.15 as released: refcount-0 before two of its flaws were repaired",
        V6_15,
        (*SINCE_V6_15, *ZERO_FLAWS),
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

BUGS: dict[str, type[Bug]] = {each.slug(): each for each in ALL_BUGS}


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


def bug(name: str) -> type[Bug]:
    """A bug by name. Raises UnknownName."""
    if name not in BUGS:
        raise unknown("bug", name, list(BUGS))
    return BUGS[name]


def unknown(what: str, name: str, known: list[str]) -> UnknownName:
    """The error for a name that does not exist, with the nearest one or all of them."""
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    return UnknownName(f"unknown {what} {name!r}; {hint}")


def build(
    name: str, patches: tuple[str, ...], extra: Mapping[str, type[Patch]] | None = None, bugs: tuple[str, ...] = ()
) -> ComposedKernel:
    """Compose the kernel of a protocol with bugs, and patches on top, by name. Raises UnknownName or ComposeError."""
    base = protocol(name)
    applied = base.patches
    for each in bugs:
        applied = with_bug(name, applied, bug(each))
    return _composed((*applied, *in_order([patch(each, extra) for each in patches], base.repairs)))


def with_bug(name: str, applied: tuple[type[Patch], ...], bug: type[Bug]) -> tuple[type[Patch], ...]:
    """The patches of a protocol without the repairs that a bug leaves out, and the bug. Raises ComposeError."""
    for repair in bug.reopens:
        if repair not in applied:
            raise ComposeError(
                f"{bug.slug()}: {name} has no {repair.slug()} that it could leave out; "
                f"it is for {', '.join(bug.protocols)}"
            )
    return (*(each for each in applied if each not in bug.reopens), bug)


def in_order(patches: Iterable[type[Patch]], repairs: Sequence[type[Repair]]) -> Iterator[type[Patch]]:
    """Patches with the repairs among them in the protocol's order, in which each builds on those before it.

    Other patches stay where they are, and no repair passes one.
    """
    rank: dict[type[Patch], int] = {repair: position for position, repair in enumerate(repairs)}
    for _, group in groupby(patches, rank.__contains__):
        yield from sorted(group, key=lambda each: rank.get(each, 0))


@lru_cache(maxsize=512)
def _composed(applied: tuple[type[Patch], ...]) -> ComposedKernel:
    return compose(applied)


__all__ = [
    "BUGS",
    "PATCHES",
    "PROTOCOLS",
    "SERIES",
    "ComposeError",
    "Protocol",
    "UnknownName",
    "bug",
    "build",
    "patch",
    "protocol",
]
