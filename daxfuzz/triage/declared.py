"""Whether a case shows what it declares, on both hosts, and what repairs it does."""

from __future__ import annotations

from daxfuzz.program.case import Case
from daxfuzz.search import Replay
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.replay import NONE, Replayed, replay_case
from daxfuzz.triage.reproduce import THOROUGH, Failure, Goal, hints_of, search


def problem_of(case: Case, kernel: KernelChoice) -> str:
    """What is not as the case declares, in one line; empty if all is. kernel: its own, with what a user supplies."""
    replayed = replay_case(case, kernel)
    if replayed.kind != case.finding:
        why = f" ({replayed.impossible})" if replayed.impossible else ""
        return f"declares {case.finding}, shows {replayed.kind}{why}"
    if replayed.diverged and replayed.via == "steps":
        return f"the steps do not fit {replayed.diverged}"
    on_stepper = replayed.bench.run(Replay(replayed.execution.turns))
    if on_stepper.digest() != replayed.execution.digest():
        return "the two hosts give different digests"
    return "" if case.finding == NONE else check_repairs(case, replayed)


def check_repairs(case: Case, replayed: Replayed) -> str:
    """Whether the repairs that a case names silence it, and nothing is left to see without its bugs."""
    assert replayed.found is not None
    kernel = replayed.bench.kernel
    hints = hints_of(Failure(case.program, kernel, replayed.execution, replayed.found))
    for how, repairs, goal in (("with", case.repaired_by, Goal(case.finding)), ("without", case.kernel.bugs, Goal())):
        still = search(case.program, kernel.plus(repairs), goal, THOROUGH, hints) if repairs else None
        if still is not None:
            return f"still shows {still.violation.kind} {how} {' + '.join(repairs)}"
    return ""
