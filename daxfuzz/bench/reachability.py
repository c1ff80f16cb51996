"""What is expected: which flaw can be reached on which generation, as analysis of the protocols says.

The codes of the table:

    x  reachable by a plain run: some schedule without a race is enough
    r  needs a race
    u  needs the device to be unbound, and no race
    m  masked by another flaw, or reachable only as a mutation
    ?  unknown
    -  not reachable: the runs that must stay silent cover it, so it is not run here

What else a cell needs stands beside its code as a condition. A cell that needs both a race and unbind has the code r
and the condition unbind. An expectation is never compared with anything but what a search has found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

PLAIN = "x"
RACE = "r"
UNBIND = "u"
MASKED = "m"
UNKNOWN = "?"
NEVER = "-"

CODES = (PLAIN, RACE, UNBIND, MASKED, NEVER, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Generation:
    """A column of the table: a protocol, with patches on top that give the state it stands for."""

    column: str
    protocol: str
    patches: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What tells it from all others: refcount-0, or refcount-0+name-of-a-patch."""
        return "+".join((self.protocol, *self.patches))


GENERATIONS = (
    Generation("G0", "refcount-1"),
    Generation("G1a", "series-v1:2"),
    Generation("G1b", "pin-wait"),
    Generation("G2v1", "series-v1"),
    Generation("G2z", "series-v3"),
    Generation("G3a", "refcount-0-v6.15"),
    Generation("G3b", "refcount-0"),
)
"""In the order of the columns."""

FILESYSTEMS = ("ext4", "xfs", "fuse", "device-dax")
"""Where a cell without a condition on it is run: half of the budget on the first that exists, the others share."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a cell needs beside its code.

    filesystems: where it shows, in the order in which they are tried; empty for anywhere.
    needs: words for the reader: unbind, reflink, the TLB mode. The generator draws all of these by itself.
    """

    filesystems: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = " or ".join(self.filesystems)
        return ", ".join((*((where,) if where else ()), *self.needs))


@dataclass(frozen=True, slots=True)
class Cell:
    """One flaw on one generation.

    flaw: as in the catalogue; that of the row, or a variant of it such as F-08b.
    row: the flaw of its row.
    """

    flaw: str
    row: str
    title: str
    generation: Generation
    expected: str
    condition: Condition

    def known_as(self) -> tuple[str, ...]:
        """Numbers under which a repair may name the flaw, the most exact first."""
        return tuple(dict.fromkeys((self.flaw, self.row)))


@dataclass(frozen=True, slots=True)
class Override:
    """Where a cell differs from its row: another condition, or a variant of the flaw."""

    condition: Condition | None = None
    flaw: str | None = None


def _row(
    flaw: str, title: str, codes: str, condition: Condition = Condition(), **overrides: Override
) -> tuple[Cell, ...]:
    """The cells of one flaw. codes: of all generations in order. overrides: by column."""
    cells = []
    for generation, code in zip(GENERATIONS, codes.split(), strict=True):
        cell = Cell(flaw, flaw, title, generation, code, Condition() if code == NEVER else condition)
        other = overrides.get(generation.column)
        if other is not None:
            cell = replace(cell, flaw=other.flaw or flaw, condition=other.condition or cell.condition)
        cells.append(cell)
    return tuple(cells)


_UNBIND = Condition(needs=("unbind",))
_REFLINK = Condition(("xfs",), ("reflink",))
_BROADCAST = Condition(needs=("TLB broadcast",))
_FUSE = Condition(("fuse",))
_DEVDAX = Condition(("device-dax",))

TABLE: tuple[tuple[Cell, ...], ...] = (
    _row("F-01", "GET not waited for", "- x x x - - -"),
    _row("F-02", "false positive, lost wakeup", "- x x x - - -"),
    _row("F-03", "GUP-fast versus scan, small page", "- - - - - - -"),
    _row("F-04", "touch after put", "- u u u - - -", _UNBIND),
    _row("F-05", "wait key mismatch", "- m m m m m m"),
    _row(
        "F-06",
        "eviction does not wait",
        "x x x x - x -",
        G3a=Override(_FUSE, "F-06b"),
    ),
    _row("F-07", "mapping_mapped", "x x x x - - -"),
    _row("F-08", "locked entry skipped", "r r r r r r -", G3a=Override(flaw="F-08b")),
    _row("F-09", "fuse range (0, 0)", "x x x x x - -", _FUSE),
    # A mapping of fuse is VM_MIXEDMAP: munmap flushes before it unlinks.
    _row("F-10", "stale TLB after munmap", "r r r r r - -", Condition(("ext4", "xfs"))),
    # Only xfs breaks the layouts of two files in one call.
    _row("F-11b", "unkillable spin", "x x x x x x x", Condition(("xfs",))),
    _row("F-13", "unbind ignores pins", "u u u u - u u", _UNBIND, G2v1=Override(flaw="F-13b")),
    _row(
        "F-14",
        "fault versus unbind",
        "r r r - - ? ?",
        _UNBIND,
        G2v1=Override(Condition(needs=("F-20 instead",))),
    ),
    # Elsewhere whoever frees blocks of the file needs locks that the waiter keeps; but see F-25 for write faults.
    _row("F-15", "waits for a stranger", "r r r r r r r", _FUSE),
    _row("F-16", "waiter versus unbind", "r r r r ? r r", _UNBIND),
    _row("F-17", "PUD wait key", "- - - m m - -", _DEVDAX),
    _row("F-18", "huge GUP-fast without undo", "- - - r r - -", _BROADCAST),
    _row("F-38", "lockless grab from 0", "- - - - r - -", _BROADCAST),
    # The analysis names the variant of series-v3 but not what it takes.
    _row("F-20", "ignored SIGBUS", "- - - r ? - -", _UNBIND, G2z=Override(flaw="F-20b")),
    _row("F-22", "order-0 XA_STATE", "- - - x x - -", Condition(("device-dax",), ("two processes",))),
    _row(
        "F-23",
        "pte survives unbind",
        "u u u u - u u",
        Condition(("ext4",), ("unbind",)),
        G2v1=Override(Condition(("device-dax",), ("unbind",))),
    ),
    _row("F-25", "CoW drops a pinned block", "x x x x x x x", _REFLINK),
    _row("F-27", "stale share", "- - - - - x ?", _REFLINK),
    _row("F-28", "stale COW mark", "x x x x x - -", _REFLINK),
    _row("F-30", "shared: busy is not what is waited for", "- - - - - x x", _REFLINK),
    # Only fuse drops inodes that have a name; what v6.0 evicts elsewhere has lost it during the reclaim.
    _row("F-31", "reclaim deadlock", "- - - - x x x", _FUSE),
    _row("F-32", "unbind waits for entries", "- - - x - - -", _UNBIND),
    # Benign: its oracle, spurious-warning, is off by default.
    _row("F-35", "spurious warning", "r r r r - - -", _BROADCAST),
)
"""Rows in the order of the analysis, each with a cell for every generation."""

FLAWS = tuple(row[0].row for row in TABLE)


def cells() -> Iterator[Cell]:
    """All cells, row by row."""
    for row in TABLE:
        yield from row
