"""Real kernels as the model has them: a protocol, and named patches for what else was observed.

Each patch says in its docstring which sequence shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from daxfuzz.conform.profiles.bio_release import BioReleaseMissesWaiters
from daxfuzz.conform.profiles.direct_io_pins import DirectIoPins
from daxfuzz.protocols.compose import ComposedKernel, compose
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.refcount_zero.common_fallocate import MoveOutCommonFallocate
from daxfuzz.protocols.refcount_zero.inode_extension import SyncFileSizeUpdate
from daxfuzz.protocols.registry import protocol


@dataclass(frozen=True, slots=True)
class Profile:
    """A stock kernel. version: as in `conform --fetch`. protocol: what it is nearest to. patches: on top of that."""

    version: str
    protocol: str
    patches: tuple[type[Patch], ...]

    @property
    def name(self) -> str:
        """linux-6.1, for example."""
        return f"linux-{self.version}"

    def composed(self) -> ComposedKernel:
        """The kernel under test. Raises ComposeError."""
        return _composed(self)


@cache
def _composed(profile: Profile) -> ComposedKernel:
    return compose((*protocol(profile.protocol).patches, *profile.patches))


PROFILES = {
    profile.version: profile
    for profile in (
        Profile("6.1", "refcount-1", (BioReleaseMissesWaiters, SyncFileSizeUpdate)),
        Profile("6.12", "refcount-1", (DirectIoPins, SyncFileSizeUpdate, MoveOutCommonFallocate)),
        Profile("6.16", "refcount-0-v6.15", (DirectIoPins,)),
        Profile("7.3", "refcount-0", (DirectIoPins,)),
    )
}
"""By version, the oldest first. Stable kernels have changes of later ones: the sequences failed-write-grows (6.1, 6.12)
and collapse-refused (6.12) show them."""

__all__ = ["PROFILES", "Profile"]
