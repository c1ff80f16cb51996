"""Patches: classes whose nested classes are their hunks, one for each subsystem they touch.

    class SkipTheScan(Patch):
        '''dax: Do not scan for busy pages.'''

        class dax(Dax):
            async def dax_layout_busy_page_range(self, mapping, first, last):
                return None

A hunk is named as its subsystem and derives from the subsystem's class, or from the hunk of the patch that it
builds on. It may call ``super()``.
"""

from __future__ import annotations

import re
from typing import ClassVar

from daxfuzz.kernel.kernel import SUBSYSTEMS
from daxfuzz.kernel.subsystem import Subsystem


class Patch:
    """One change of the kernel. The first line of the docstring is its title.

    renames: functions that only change their name, old to new; labels keep the old one, listings print the new one.
    replaces: patches whose overrides this one fully overrides again on purpose.
    adds: per subsystem, the functions of the hunk that override nothing.
    """

    renames: ClassVar[dict[str, str]] = {}
    replaces: ClassVar[tuple[type[Patch], ...]] = ()
    adds: ClassVar[dict[str, tuple[str, ...]]] = {}

    @classmethod
    def slug(cls) -> str:
        """The name on the command line and in cases: FixMappingMapped is fix-mapping-mapped."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def title(cls) -> str:
        """One line that says what it does."""
        return (cls.__doc__ or "").strip().split("\n")[0]

    @classmethod
    def hunks(cls) -> dict[str, type[Subsystem]]:
        """The hunks by subsystem, in alphabetical order."""
        return {
            name: hunk
            for name, hunk in sorted(vars(cls).items())
            if isinstance(hunk, type) and issubclass(hunk, Subsystem) and name in SUBSYSTEMS
        }


class Repair(Patch):
    """A patch that repairs one known flaw.

    flaw: its number in the catalogue of flaws.
    upstream: the kernel commit that did the same, empty if there is none.
    supersedes: repairs of narrower flaws which this one makes unnecessary; a finding that both silence is theirs.
    """

    flaw: ClassVar[str] = ""
    upstream: ClassVar[str] = ""
    supersedes: ClassVar[tuple[type[Repair], ...]] = ()
