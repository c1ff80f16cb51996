"""Looks for a failing execution of a given program: known schedules first, then simple ones, then random ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random

from daxfuzz.oracles.livelock import Livelock
from daxfuzz.program.case import Program
from daxfuzz.search import (
    STRATEGIES,
    OrderReplay,
    Replay,
    SparseReplay,
    bounded_runs,
    labels_of,
    make_scheduler,
    next_labels,
    sparsify,
)
from daxfuzz.sim import Constraint, Execution, Label, Scheduler, Violation
from daxfuzz.triage.bench import TURN_LIMIT, Bench, KernelChoice, verdict


@dataclass(frozen=True, slots=True)
class Effort:
    """How many executions to spend: on schedules with at most one preemption, and on each random strategy."""

    simple: int = 120
    random: int = 25


SPARE_TURNS = 300
"""What a program may take beyond some times its failing execution, which can end early."""

QUICK = Effort()
THOROUGH = Effort(600, 250)


@dataclass(frozen=True, slots=True)
class Failure:
    """A failing execution of a program on a kernel."""

    program: Program
    kernel: KernelChoice
    execution: Execution
    violation: Violation


def search(
    program: Program,
    kernel: KernelChoice,
    kind: str | None,
    effort: Effort,
    hints: Iterable[Scheduler] = (),
    limit: int = TURN_LIMIT,
) -> Failure | None:
    """A failing execution of this kind, or of any if that is None; None if the effort shows none.

    Always the same for the same arguments. limit: of turns, as for Bench.run.
    """
    bench = Bench(program, kernel)
    for execution in candidates(bench, effort, hints, limit):
        found = verdict(execution)
        if found is not None and kind in (None, found.kind):
            return Failure(program, kernel, execution, found)
    return None


def patience(failure: Failure) -> int:
    """A limit of turns for executions that are to fail like this one.

    Some repair or schedule makes most programs spin, and a run to the full limit costs as much as hundreds of others.
    Whoever is starved by a task that spins gets on under the fair scheduler, and the sooner. Where the failure is that
    a program does not end, it takes the full limit to tell.
    """
    if failure.violation.kind in Livelock.kinds:
        return TURN_LIMIT
    return min(SPARE_TURNS + 4 * len(failure.execution.turns), TURN_LIMIT)


def candidates(
    bench: Bench, effort: Effort, hints: Iterable[Scheduler], limit: int = TURN_LIMIT
) -> Iterator[Execution]:
    """Executions worth a look, the most promising first. limit: of turns, as for Bench.run."""
    for hint in hints:
        yield bench.run(hint, limit)
    for run in bounded_runs(bench.sim.world, effort.simple, 1, limit):
        # Whether an execution is endless shows only in fair turns after the limit.
        endless = len(run.execution.turns) >= limit
        yield bench.run(Replay(run.execution.turns), limit) if endless else run.execution
    bound = 200
    rng = Random(0)
    for index in range(effort.random):
        for name in STRATEGIES:
            rng.seed(index)
            execution = bench.run(make_scheduler(name, rng, bound), limit)
            bound = max(len(execution.turns), 1)
            yield execution


def hints_of(failure: Failure) -> list[Scheduler]:
    """Schedulers that repeat a failure where the program or the kernel has changed a little.

    By position in the run, and by the hand-overs between labelled steps, which survive deletions elsewhere.
    """
    world = Bench(failure.program, failure.kernel).sim.world
    turns = failure.execution.turns
    return [SparseReplay(sparsify(world, turns).schedule), OrderReplay(hand_overs(failure))]


def hand_overs(failure: Failure) -> list[Constraint]:
    """For each switch of the schedule: the last step before it comes before the first one after it.

    Where a violation ends the execution, its last step comes before whatever the others would have done next.
    """
    turns = failure.execution.turns
    world = Bench(failure.program, failure.kernel).sim.world
    labels = labels_of(world, turns)
    switches = [Constraint(labels[i - 1], labels[i]) for i in range(1, len(turns)) if turns[i - 1] != turns[i]]
    if failure.execution.violation is None or failure.execution.stuck:
        return switches
    return [*switches, *(Constraint(labels[-1], after) for after in next_labels(world, turns))]


Totals = dict[tuple[str, str, str], int]
"""How often each task makes each access in each function, by (task, function, verb)."""


def totals(program: Program, kernel: KernelChoice) -> Totals:
    """Counts of a run that no schedule disturbs."""
    bench = Bench(program, kernel)
    counts: Totals = {}
    for label in labels_of(bench.sim.world, bench.run(Scheduler()).turns):
        key = (label.task, label.function, label.verb)
        counts[key] = counts.get(key, 0) + 1
    return counts


def counted_from_the_end(constraints: list[Constraint], before: Totals, after: Totals) -> list[Constraint]:
    """Constraints for a program that has lost earlier calls: the last occurrence stays the last one."""

    def shifted(label: Label) -> Label:
        key = (label.task, label.function, label.verb)
        return replace(label, occurrence=label.occurrence + after.get(key, 0) - before.get(key, 0))

    moved = [Constraint(shifted(each.before), shifted(each.after)) for each in constraints]
    return [each for each in moved if each.before.occurrence > 0 and each.after.occurrence > 0]


def replay(program: Program, kernel: KernelChoice, turns: Iterable[int]) -> Failure | None:
    """The execution with exactly these turns, if it fails."""
    return run_once(Bench(program, kernel), Replay(tuple(turns)))


def run_once(bench: Bench, scheduler: Scheduler) -> Failure | None:
    """One execution, if it fails."""
    execution = bench.run(scheduler)
    found = verdict(execution)
    return None if found is None else Failure(bench.program, bench.kernel, execution, found)
