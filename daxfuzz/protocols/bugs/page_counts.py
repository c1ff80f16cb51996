"""References and shares that are not given back, or once too often."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.protocols.patch import Bug
from daxfuzz.protocols.repairs.cow_count import FixCowCount


class DaxShareCountOffByOne(Bug):
    """A page that two files shared stays shared after both have dropped it.

    dax_disassociate_entry looks at the count of sharers from before the decrement. The mark outlives the last entry,
    and the next file that gets the block associates its page on top of it.
    """

    number = "20"
    fix = "fsdax: introduce page->share for fsdax in reflink mode"
    release = "v6.2"
    category = "share count"
    protocols: ClassVar = ("refcount-1-fixed", "pin-wait-fixed", "series-v1-fixed", "series-v3-fixed")
    filesystems: ClassVar = ("xfs",)
    kinds: ClassVar = ("association", "kernel-warning")
    reopens: ClassVar = (FixCowCount,)
