"""Whether a case shows what it declares, on both hosts, and what repairs it does."""

from __future__ import annotations

from dataclasses import dataclass

from daxfuzz.program.case import Case, Program
from daxfuzz.search import Replay
from daxfuzz.sim import Scheduler
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.replay import NONE, Replayed, replay_case
from daxfuzz.triage.reproduce import THOROUGH, Failure, Goal, at_full_length, hints_of, patience, search


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of a case.

    problem: what is not as it should be, in one line; empty if all is.
    repaired: what the case declares does not happen any more.
    """

    replayed: Replayed
    problem: str = ""
    repaired: bool = False


def judge(case: Case, kernel: KernelChoice) -> Judged:
    """Whether it shows what it declares, on both hosts, and does not with its repairs or without its bugs.

    kernel: its own, with what a user supplies for it.
    """
    replayed = replay_case(case, kernel)
    return Judged(replayed, mismatch(case, replayed) or check_hosts(replayed) or check_repairs(case, replayed))


def judge_patched(case: Case, kernel: KernelChoice, plain: KernelChoice) -> Judged:
    """Whether a patch that the case does not know leaves it as it is, or repairs it.

    A case that must stay clean still must. Another one may show what it declares, by whatever schedule, or show it no
    more; what else it shows is a problem unless the kernel without the patch can show that, too.

    kernel: the case's own with the patch on top; plain: without it.
    """
    replayed = replay_case(case, kernel)
    if replayed.found is None:
        if case.finding == NONE:
            return Judged(replayed)
        return Judged(replayed, repaired=search(case.program, kernel, Goal(case.finding), THOROUGH) is None)
    if replayed.kind == case.finding:
        return Judged(replayed)
    failure = Failure(case.program, kernel, replayed.execution, replayed.found)
    if case.finding == NONE or not reaches(failure, plain, replayed.kind):
        return Judged(replayed, mismatch(case, replayed))
    return Judged(replayed, repaired=not reaches(failure, kernel, case.finding))


def reaches(failure: Failure, kernel: KernelChoice, kind: str) -> bool:
    """Whether the program of a failure can show a kind of finding on a kernel, as far as a thorough search tells."""
    return search(failure.program, kernel, Goal(kind), THOROUGH, hints_of(failure)) is not None


def mismatch(case: Case, replayed: Replayed) -> str:
    """What a replay shows instead of what the case declares."""
    if replayed.kind != case.finding:
        why = f" ({replayed.impossible})" if replayed.impossible else ""
        return f"declares {case.finding}, shows {replayed.kind}{why}"
    if replayed.diverged and replayed.via == "steps":
        return f"the steps do not fit {replayed.diverged}"
    return ""


def check_hosts(replayed: Replayed) -> str:
    """Whether the stepper does the same as Trio."""
    on_stepper = replayed.bench.run(Replay(replayed.execution.turns))
    return "" if on_stepper.digest() == replayed.execution.digest() else "the two hosts give different digests"


def check_repairs(case: Case, replayed: Replayed) -> str:
    """Whether the repairs that a case names silence it, and nothing is left to see without its bugs."""
    if replayed.found is None:
        return ""
    kernel = replayed.bench.kernel
    failure = Failure(case.program, kernel, replayed.execution, replayed.found)
    hints = hints_of(failure)
    for how, repairs, goal in (("with", case.repaired_by, Goal(case.finding)), ("without", case.kernel.bugs, Goal())):
        still = left(case.program, kernel.plus(repairs), goal, hints, patience(failure)) if repairs else None
        if still is not None:
            return f"still shows {still.violation.kind} {how} {' + '.join(repairs)}"
    return ""


def left(program: Program, kernel: KernelChoice, goal: Goal, hints: list[Scheduler], limit: int) -> Failure | None:
    """What a program still shows on a kernel with repairs, as far as a thorough search can tell.

    limit: of turns, as for Bench.run: a schedule that makes the program spin gives way to the fair one soon, as in
        attribution. Where something seems endless only for that, the search is made at full length.
    """
    found = search(program, kernel, goal, THOROUGH, hints, limit)
    if found is None or at_full_length(found) is not None:
        return found
    return search(program, kernel, goal, THOROUGH, hints)
