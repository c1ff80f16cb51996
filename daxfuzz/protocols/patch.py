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


class Bug(Patch):
    """A patch that takes a fix away from a kernel that has it.

    The title names the mistake; the rest of the docstring gives the mechanism, in which one task meets another. A bug
    that is a flaw without its repair has no hunks.

    number: in the catalogue of historical bugs: 1 to 28, further ones from C1 on, and S1 to S8, those of the series of
        2022 that its review has found.
    fix: the kernel commit that repaired it, or where that was proposed.
    release: the first with the fix.
    category: what kind of mistake it is.
    protocols: -fixed ones that can have it, the one nearest to the release first.
    filesystems: those it can be seen on, the one of the report first.
    kinds: of findings, those that it is known by.
    reopens: repairs that are left out of the protocol: of the flaw that the bug is, or because they would hide it.
    """

    number: ClassVar[str] = ""
    fix: ClassVar[str] = ""
    release: ClassVar[str] = ""
    category: ClassVar[str] = ""
    protocols: ClassVar[tuple[str, ...]] = ()
    filesystems: ClassVar[tuple[str, ...]] = ("ext4", "xfs")
    kinds: ClassVar[tuple[str, ...]] = ()
    reopens: ClassVar[tuple[type[Repair], ...]] = ()
    supersedes: ClassVar[tuple[type[Repair], ...]] = ()
