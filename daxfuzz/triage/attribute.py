"""Which known flaw, or which bug of the kernel, explains a failure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from daxfuzz.oracles.livelock import Livelock
from daxfuzz.protocols.patch import Bug, Repair
from daxfuzz.sim import Scheduler
from daxfuzz.triage.reproduce import QUICK, THOROUGH, Effort, Failure, Goal, patience, search


def isolated(failure: Failure, hints: list[Scheduler], skipped: Iterable[str] = ()) -> Iterator[tuple[str, Failure]]:
    """Failures of the same program on kernels in which a single flaw is left, for each that is enough, with the repair
    of that flaw; with "" and all repairs for what fails in spite of them.

    The minimizer works on such a kernel, so that it cannot slip from one flaw to another.
    skipped: repairs of flaws that nobody asks for.
    """
    repairs = failure.kernel.repairs()
    fixed = failure.kernel.plus(tuple(repairs))
    found = search(failure.program, fixed, failure.goal, QUICK, hints, patience(failure))
    if found is not None:
        yield "", found
        return
    left = [name for name in repairs if name not in skipped]
    for name in [name for name in left if wider(name, repairs)]:
        left.remove(name)
        alone = narrow_flaw(failure, name, hints)
        if alone is not None:
            yield name, alone
    while left:
        single = single_flaw(failure, tuple(left), hints)
        if single is None:
            return
        yield single
        left.remove(single[0])


def wider(name: str, repairs: dict[str, type[Repair | Bug]]) -> tuple[str, ...]:
    """The repairs that repair a flaw with their own."""
    return tuple(other for other, repair in repairs.items() if repairs[name] in repair.supersedes)


def narrow_flaw(failure: Failure, name: str, hints: list[Scheduler]) -> Failure | None:
    """The failure where a flaw is left, and any wider one, since its repair would close both; None if it is not enough.

    The wider flaw may well make the same program fail in the same way. The narrow one's failure is that which its
    repair keeps from the place where it shows.
    """
    violation = failure.violation
    # What does not end is in no particular place when it is stopped.
    goal = Goal(violation.kind, "" if violation.kind in Livelock.kinds else violation.function)
    limit = patience(failure)
    if search(failure.program, failure.kernel.plus((name,)), goal, QUICK, hints, limit) is not None:
        return None
    repairs = failure.kernel.repairs()
    others = failure.kernel.plus(all_but((name,), repairs))
    alone = search(failure.program, others, goal, QUICK, hints, limit)
    if alone is None or search(failure.program, others.plus((name,)), goal, QUICK, hints, limit) is not None:
        return None
    return alone


def single_flaw(failure: Failure, left: tuple[str, ...], hints: list[Scheduler]) -> tuple[str, Failure] | None:
    """One of some flaws that is enough for a failure, by halving the set of those that are left open; None if it takes
    several, or if all of them are not enough. None of them is part of a wider one."""
    repairs = failure.kernel.repairs()
    half = left
    while True:
        found = None
        for part in (half,) if len(half) == 1 else (half[: len(half) // 2], half[len(half) // 2 :]):
            kernel = failure.kernel.plus(all_but(part, repairs))
            found = search(failure.program, kernel, failure.goal, QUICK, hints, patience(failure))
            if found is not None:
                half = part
                break
        if found is None:
            return None
        if len(half) == 1:
            return half[0], found


def all_but(names: tuple[str, ...], repairs: dict[str, type[Repair | Bug]]) -> tuple[str, ...]:
    """Every repair that leaves the flaws of some of them open."""
    narrow = [repairs[name] for name in names]
    return tuple(
        other
        for other, repair in repairs.items()
        if other not in names and not any(each in repair.supersedes for each in narrow)
    )


def explained_by(failure: Failure, hints: list[Scheduler]) -> tuple[str, ...]:
    """Repairs that silence a failure, and bugs whose absence does; none if it is new.

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
    for effort in (QUICK, THOROUGH):
        kept = smallest_set(failure, everything, hints, effort)
        if silences(failure, kept, hints):
            break
    return kept


def smallest_set(
    failure: Failure, everything: tuple[str, ...], hints: list[Scheduler], effort: Effort
) -> tuple[str, ...]:
    """A set of repairs that silences a failure and of which each is needed: leaves out ever smaller parts."""
    kept = everything
    size = max(len(kept) // 2, 1)
    while True:
        for start in range(0, len(everything), size):
            part = everything[start : start + size]
            fewer = tuple(name for name in kept if name not in part)
            if len(fewer) < len(kept) and silences(failure, fewer, hints, effort):
                kept = fewer
        if size == 1:
            return kept
        size //= 2


def silences(failure: Failure, repairs: tuple[str, ...], hints: list[Scheduler], effort: Effort = THOROUGH) -> bool:
    """Whether the program no longer fails in this way with the repairs, as far as a search can tell."""
    kernel = failure.kernel.plus(repairs)
    return search(failure.program, kernel, Goal(failure.violation.kind), effort, hints, patience(failure)) is None
