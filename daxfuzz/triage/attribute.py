"""Which known flaw explains a failure."""

from __future__ import annotations

from collections.abc import Iterator

from daxfuzz.protocols.patch import Repair
from daxfuzz.sim import Scheduler
from daxfuzz.triage.reproduce import QUICK, THOROUGH, Failure, search


def isolated(failure: Failure, hints: list[Scheduler]) -> Iterator[Failure]:
    """Failures of the same program on kernels in which a single known flaw is left, for each that is enough.

    The minimizer works on such a kernel, so that it cannot slip from one flaw to another.
    """
    repairs = failure.kernel.repairs()
    for name in repairs:
        alone = failure.kernel.plus(all_but(name, repairs))
        found = search(failure.program, alone, failure.violation.kind, QUICK, hints)
        if found is not None:
            yield found


def all_but(name: str, repairs: dict[str, type[Repair]]) -> tuple[str, ...]:
    """Every repair that leaves the flaw of one of them open."""
    narrow = repairs[name]
    return tuple(other for other, repair in repairs.items() if other != name and narrow not in repair.supersedes)


def explained_by(failure: Failure, hints: list[Scheduler]) -> tuple[str, ...]:
    """Repairs that silence a failure; none if it is new.

    Each is tried alone. Of two that silence it, one that supersedes the other does not count. If only several
    together do, a smallest set that does.
    """
    repairs = failure.kernel.repairs()
    silencing = [name for name in repairs if silences(failure, (name,), hints)]
    narrow = [name for name in silencing if not any(repairs[other] in repairs[name].supersedes for other in silencing)]
    if narrow:
        return tuple(narrow)
    everything = tuple(repairs)
    if not everything or not silences(failure, everything, hints):
        return ()
    kept = everything
    for name in everything:
        fewer = tuple(other for other in kept if other != name)
        if silences(failure, fewer, hints):
            kept = fewer
    return kept


def silences(failure: Failure, repairs: tuple[str, ...], hints: list[Scheduler]) -> bool:
    """Whether the program no longer fails in this way with the repairs, as far as a thorough search can tell."""
    kernel = failure.kernel.plus(repairs)
    return search(failure.program, kernel, failure.violation.kind, THOROUGH, hints) is None
