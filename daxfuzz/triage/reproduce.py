"""Looks for a failing execution of a given program: known schedules first, then simple ones, then random ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random

from daxfuzz.oracles.livelock import Livelock
from daxfuzz.program.case import Program
from daxfuzz.search import (
    MEMORYLESS,
    STRATEGIES,
    OrderReplay,
    Replay,
    SparseReplay,
    Tracks,
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
    random: int = 20


SPARE_TURNS = 300
"""What a program may take beyond some times its failing execution, which can end early."""

ENDLESS_TURNS = 1_500
"""After so many turns, and as many fair ones, hardly any program ends that has not."""

SHORTEST = 64
"""The shortest beginning of an endless execution that is tried alone; longer ones have twice as many turns each."""

SLIGHT = Effort(40, 4)
QUICK = Effort()
THOROUGH = Effort(600, 200)


@dataclass(frozen=True, slots=True)
class Goal:
    """What an execution is to show: a violation of any kind or of one, in any function or in one."""

    kind: str = ""
    function: str = ""

    def met(self, violation: Violation | None) -> bool:
        """Whether this is one."""
        if violation is None:
            return False
        return self.kind in ("", violation.kind) and self.function in ("", violation.function)


@dataclass(frozen=True, slots=True)
class Failure:
    """A failing execution of a program on a kernel.

    in_place: whether what fails in another function is another failure. Where a wide flaw is open beside a narrow
        one, nothing else tells the two apart.
    """

    program: Program
    kernel: KernelChoice
    execution: Execution
    violation: Violation
    in_place: bool = False

    @property
    def goal(self) -> Goal:
        """What is the same failure."""
        return Goal(self.violation.kind, self.violation.function if self.in_place else "")


def search(
    program: Program,
    kernel: KernelChoice,
    goal: Goal,
    effort: Effort,
    hints: Iterable[Scheduler] = (),
    limit: int = TURN_LIMIT,
) -> Failure | None:
    """An execution that shows the goal, or None if the effort shows none. Always the same for the same arguments.

    limit: of turns, as for Bench.run.
    """
    bench = Bench(program, kernel)
    for execution in candidates(bench, effort, hints, limit):
        found = verdict(execution)
        if found is not None and goal.met(found):
            return Failure(program, kernel, execution, found, bool(goal.function))
    return None


def patience(failure: Failure) -> int:
    """A limit of turns for executions that are to fail like this one.

    Some repair or schedule makes most programs spin, and a run to the full limit costs as much as hundreds of others.
    Whoever is starved by a task that spins gets on under the fair scheduler, and the sooner. Where the failure is that
    a program does not end, that shows sooner, too; but only the full limit proves it (see :func:`at_full_length`).
    """
    if failure.violation.kind in Livelock.kinds:
        return ENDLESS_TURNS
    return min(SPARE_TURNS + 4 * len(failure.execution.turns), TURN_LIMIT)


def settled(failure: Failure) -> Failure:
    """A failure that a shorter beginning of its schedule leads to, for a program that does not end.

    What it does when nothing will end it any more has thousands of turns, none of which matters.
    """
    if failure.violation.kind not in Livelock.kinds:
        return failure
    bench = Bench(failure.program, failure.kernel)
    turns = scheduled(failure.execution)
    length = SHORTEST
    while length < len(turns):
        execution = bench.run(Replay(turns[:length]), patience(failure))
        found = verdict(execution)
        if found is not None and failure.goal.met(found):
            return replace(failure, execution=execution, violation=found)
        length *= 2
    return failure


def at_full_length(failure: Failure) -> Failure | None:
    """The failure with the full limit of turns; None if the program ends under it."""
    if failure.violation.kind not in Livelock.kinds:
        return failure
    bench = Bench(failure.program, failure.kernel)
    switches = sparsify(bench.sim.world, scheduled(failure.execution))
    execution = bench.run(SparseReplay(switches.schedule))
    found = verdict(execution)
    if found is None or not failure.goal.met(found):
        return None
    return replace(failure, execution=execution, violation=found)


def candidates(
    bench: Bench, effort: Effort, hints: Iterable[Scheduler], limit: int = TURN_LIMIT
) -> Iterator[Execution]:
    """Executions worth a look, the most promising first; the only one there is, if there is but one task.

    Random ones that are the same as an earlier one are left out. limit: of turns, as for Bench.run.
    """
    for hint in hints:
        yield bench.run(hint, limit)
    tracks = Tracks(bench.sim.world)
    for run in bounded_runs(bench.sim.world, effort.simple, 1, limit, tracks):
        yield with_fair_turns(bench, run.execution, limit)
    if len(bench.program.tasks) == 1:
        return
    bound = 200
    rng = Random(0)
    for index in range(effort.random):
        for name in MEMORYLESS:
            rng.seed(index)
            scheduler = make_scheduler(name, rng, bound)
            if STRATEGIES[name].repeats:
                length = tracks.length(scheduler)
                if length is not None:
                    bound = max(length, 1)
                    continue
                rng.seed(index)
                execution = bench.run(tracks.noted(make_scheduler(name, rng, bound)), limit)
                tracks.keep(execution, limit)
            else:
                execution = bench.run(scheduler, limit)
            bound = max(len(execution.turns), 1)
            yield execution


def scheduled(execution: Execution) -> list[int]:
    """The turns that the scheduler has given: of an endless execution the first half, the others are the fair one's."""
    turns = execution.turns
    return turns[: len(turns) // 2] if execution.exhausted else turns


def with_fair_turns(bench: Bench, execution: Execution, limit: int) -> Execution:
    """An execution of the enumeration, which ends at the limit: whether it is endless shows only in fair turns."""
    return bench.run(Replay(execution.turns), limit) if len(execution.turns) >= limit else execution


def hints_of(failure: Failure) -> list[Scheduler]:
    """Schedulers that repeat a failure where the program or the kernel has changed a little.

    By position in the run, and by the hand-overs between labelled steps, which survive deletions elsewhere.
    """
    world = Bench(failure.program, failure.kernel).sim.world
    turns = scheduled(failure.execution)
    return [SparseReplay(sparsify(world, turns).schedule), OrderReplay(hand_overs(failure))]


def hand_overs(failure: Failure) -> list[Constraint]:
    """For each switch of the schedule: the last step before it comes before the first one after it.

    Where a violation ends the execution, its last step comes before whatever the others would have done next.
    """
    turns = scheduled(failure.execution)
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


def replay(program: Program, kernel: KernelChoice, turns: Iterable[int], limit: int = TURN_LIMIT) -> Failure | None:
    """The execution with exactly these turns, if it fails. limit: of turns, as for Bench.run."""
    execution = Bench(program, kernel).run(Replay(tuple(turns)), limit)
    found = verdict(execution)
    return None if found is None else Failure(program, kernel, execution, found)
