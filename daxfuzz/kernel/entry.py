"""DAX entries: what i_pages holds (fs/dax.c, "xarray value entry" helpers, v6.0)."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A value, copied and never shared.

    pfn: page frame number; 0 for zero and empty entries.
    locked: DAX_LOCKED, the entry lock.
    zero: DAX_ZERO_PAGE, a hole that is mapped for reading.
    empty: DAX_EMPTY, only there to be locked.
    """

    pfn: int
    locked: bool = False
    zero: bool = False
    empty: bool = False

    @property
    def real(self) -> bool:
        """Whether it stands for a block, so that pages are associated with it."""
        return not (self.zero or self.empty)

    def lock(self) -> Entry:
        return Entry(self.pfn, True, self.zero, self.empty)

    def __repr__(self) -> str:
        what = "zero" if self.zero else "empty" if self.empty else f"pfn {self.pfn}"
        return f"{what}|LOCKED" if self.locked else what


EMPTY = Entry(0, empty=True)
ZERO = Entry(0, zero=True)
