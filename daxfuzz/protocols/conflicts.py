"""On which protocols the patches of a file compose, and where they do not, why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.protocols.compose import ComposeError, compose
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.registry import PROTOCOLS, SERIES, protocol


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a patch composes on a protocol. conflict: why it does not; empty if it does."""

    protocol: str
    patch: str
    conflict: str

    @property
    def ok(self) -> bool:
        return not self.conflict


def every_protocol() -> list[str]:
    """All protocols, and all prefixes of the series."""
    return [
        *PROTOCOLS,
        *(f"{name}:{count}" for name, patches in SERIES.items() for count in range(1, len(patches) + 1)),
    ]


def fits(patches: Mapping[str, type[Patch]], together: str) -> Iterator[Fit]:
    """Each patch of a file on each protocol, on top of those of the file that it builds on.

    patches: in the order of the file, by full name.
    together: under which name all of them are tried, in their order, as ``fuzz --patch FILE`` applies them; only if
        there are several.
    """
    wanted = {name: [*needed(patch, list(patches.values())), patch] for name, patch in patches.items()}
    if len(patches) > 1:
        wanted[together] = list(patches.values())
    for base in every_protocol():
        for name, stack in wanted.items():
            yield Fit(base, name, conflict(base, stack))


def needed(patch: type[Patch], others: Sequence[type[Patch]]) -> list[type[Patch]]:
    """The other patches from whose hunks a patch derives, in their order."""
    bases = [base for hunk in patch.hunks().values() for base in hunk.__mro__[1:] if issubclass(base, Subsystem)]
    return [other for other in others if other is not patch and any(hunk in bases for hunk in other.hunks().values())]


def conflict(base: str, patches: Sequence[type[Patch]]) -> str:
    """Why patches do not compose on a protocol; empty if they do."""
    try:
        compose([*protocol(base).patches, *patches])
    except ComposeError as error:
        return str(error)
    return ""
