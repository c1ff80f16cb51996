"""DAX entries: what i_pages holds (fs/dax.c, "xarray value entry" helpers, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from daxfuzz.kernel.machine import Machine


class Entry(NamedTuple):
    """A value, copied and never shared.

    pfn: first page frame number; 0 for zero and empty entries.
    locked: DAX_LOCKED, the entry lock.
    zero: DAX_ZERO_PAGE, a hole that is mapped for reading.
    empty: DAX_EMPTY, only there to be locked.
    pmd, pud: DAX_PMD and DAX_PUD, the size of what it stands for; the latter in the series of 2022 only.
    zap: DAX_ZAP of the series' third version: its pages' references are dropped already.
    """

    pfn: int
    locked: bool = False
    zero: bool = False
    empty: bool = False
    pmd: bool = False
    pud: bool = False
    zap: bool = False

    @property
    def real(self) -> bool:
        """Whether it stands for blocks, so that pages are associated with it."""
        return not (self.zero or self.empty)

    @property
    def huge(self) -> bool:
        """Whether it stands for more than a page."""
        return self.pmd or self.pud

    def lock(self) -> Entry:
        return self._replace(locked=True)

    def size(self, machine: Machine) -> int:
        """Number of pages that it stands for (dax_entry_size)."""
        if self.pmd:
            return machine.pmd_pages
        return machine.pud_pages if self.pud else 1

    def pfns(self, machine: Machine) -> range:
        """Page frame numbers of a real entry (for_each_mapped_pfn); none of another one."""
        pfn = self.pfn
        return range(pfn, pfn if self.zero or self.empty else pfn + self.size(machine))

    def __repr__(self) -> str:
        what = "zero" if self.zero else "empty" if self.empty else f"pfn {self.pfn}"
        size = "|PUD" if self.pud else "|PMD" if self.pmd else ""
        return what + size + ("|ZAP" if self.zap else "") + ("|LOCKED" if self.locked else "")


class DaxFlag:
    """What a fault tells dax_insert_entry beside the entry to insert (DAX_DIRTY, DAX_COW of the series of 2022)."""

    DIRTY = 1
    COW = 2


EMPTY = Entry(0, empty=True)
ZERO = Entry(0, zero=True)
EMPTY_PMD = Entry(0, empty=True, pmd=True)
ZERO_PMD = Entry(0, zero=True, pmd=True)
CONFLICT = Entry(-1)
"""XA_RETRY_ENTRY as get_unlocked_entry returns it: a smaller entry is in the way. Compared by identity."""
