"""Rows for the flaws that the analysis does not list: those that were found in the model or in the source since."""

from __future__ import annotations

import inspect
import sys
from functools import cache

from daxfuzz.bench.reachability import GENERATIONS, NEVER, TABLE, UNKNOWN, Cell, Condition
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.registry import protocol
from daxfuzz.protocols.repairs.cow_reference import FixCowReference
from daxfuzz.protocols.repairs.groups import FUSE, XFS
from daxfuzz.protocols.repairs.shared_idle import FixSharedIdle
from daxfuzz.protocols.repairs.shared_page_failure import FixSharedPageFailure
from daxfuzz.protocols.repairs.shared_sizes import FixSharedSizes

REFLINK = (FixCowReference, FixSharedIdle, FixSharedPageFailure, FixSharedSizes)
"""Flaws of blocks that files share whose repairs are elsewhere than in xfs."""


@cache
def discoveries() -> tuple[tuple[Cell, ...], ...]:
    """One row for each flaw that a protocol has a repair of and the table does not name, by number.

    What is expected is unknown where a protocol has the repair.
    """
    listed = {cell.flaw for cells in TABLE for cell in cells}
    found: dict[str, type[Repair]] = {}
    for generation in GENERATIONS:
        for repair in protocol(generation.protocol).repairs:
            found.setdefault(repair.flaw, repair)
    return tuple(row(found[flaw]) for flaw in sorted(found) if flaw not in listed)


def row(repair: type[Repair]) -> tuple[Cell, ...]:
    """The cells of the flaw of a repair."""
    condition = condition_of(repair)
    return tuple(
        Cell(repair.flaw, repair.flaw, title_of(repair), generation, UNKNOWN if has else NEVER, condition)
        for generation in GENERATIONS
        for has in [any(each.flaw == repair.flaw for each in protocol(generation.protocol).repairs)]
    )


def title_of(repair: type[Repair]) -> str:
    """What the flaw is: the title of the module, without the number and the sources."""
    title = inspect.cleandoc(sys.modules[repair.__module__].__doc__ or repair.title()).split("\n")[0]
    return title.partition(": ")[2].partition(" (")[0].rstrip(".") or title


def condition_of(repair: type[Repair]) -> Condition:
    """Where the flaw shows."""
    hunks = repair.hunks()
    for name, group in (("xfs", (*XFS, *REFLINK)), ("fuse", FUSE)):
        if repair in group or name in hunks or f"{name}_dax" in hunks:
            return Condition((name,))
    return Condition(("device-dax",)) if "device_dax" in hunks else Condition()
