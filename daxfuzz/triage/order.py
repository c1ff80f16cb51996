"""Ordering constraints that a failure needs, found greedily."""

from __future__ import annotations

from random import Random

from daxfuzz.search import OrderReplay
from daxfuzz.sim import Constraint, Execution
from daxfuzz.triage.bench import Bench, verdict
from daxfuzz.triage.reproduce import Failure, Goal, hand_overs

LINEARISATIONS = 1_000
"""Random linearisations that a replay by order tries after the default one."""


def constraints_of(failure: Failure) -> tuple[Constraint, ...]:
    """A small set of constraints under which the default linearisation of the program still fails.

    They start as the hand-overs of the schedule (the last step before each switch comes before the first one after
    it); then each is left out if the rest is enough.
    """
    bench = Bench(failure.program, failure.kernel)
    kept = hand_overs(failure)
    if not fails(bench, kept, failure.goal):
        return ()
    for constraint in list(kept):
        fewer = [other for other in kept if other is not constraint]
        if fails(bench, fewer, failure.goal):
            kept = fewer
    return tuple(kept)


def fails(bench: Bench, constraints: list[Constraint], goal: Goal) -> bool:
    """Whether the default linearisation shows the goal."""
    scheduler = OrderReplay(constraints)
    found = verdict(bench.run(scheduler))
    return not scheduler.impossible and goal.met(found)


def replay_order(bench: Bench, constraints: tuple[Constraint, ...], kind: str) -> tuple[Execution | None, int, str]:
    """An execution under the constraints that shows the kind: (it, linearisations tried, why there is none)."""
    rng = Random(0)
    why = ""
    for tried in range(1 + LINEARISATIONS):
        scheduler = OrderReplay(constraints, None if tried == 0 else rng)
        execution = bench.run(scheduler)
        found = verdict(execution)
        if scheduler.impossible:
            why = scheduler.impossible
        elif found is not None and found.kind == kind:
            return execution, tried + 1, ""
    return None, 1 + LINEARISATIONS, why
