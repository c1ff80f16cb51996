"""Replay of a case on the Trio host: by its steps, by its order, or without a schedule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from random import Random

from daxfuzz.program.case import Case, Program
from daxfuzz.search import OrderReplay, RandomWalk, Replay, Sequential, first_divergence, labels_of
from daxfuzz.sim import Execution, Violation
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.order import replay_order

RANDOM_TRIES = 1_000
"""Random schedules that are tried for a case without one."""

NONE = "none"
"""What a case declares that must stay clean."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the replay of a case shows.

    bench: of the case; execution: the one that counts, on the Trio host.
    found: its violation.
    via: "steps", "order", "calls", or without a schedule "default" or "random".
    tried: executions that were needed for it.
    diverged: where the steps stopped to fit: a turn, and what was to happen or happened there; empty if they fit.
    impossible: why the case cannot be replayed; empty if it can.
    """

    bench: Bench
    execution: Execution
    found: Violation | None
    via: str
    tried: int = 1
    diverged: str = ""
    impossible: str = ""

    @property
    def kind(self) -> str:
        return NONE if self.found is None else self.found.kind


def replay_case(case: Case, kernel: KernelChoice) -> Replayed:
    """Replay a case. Raises whatever composing its kernel raises."""
    bench = Bench(case.program, kernel)
    if case.schedule.steps:
        return by_steps(bench, case)
    if case.schedule.order:
        return by_order(bench, case, "")
    if case.schedule.calls:
        return confirmed(bench, bench.run(Sequential(turns_of(case, case.schedule.calls))), "calls")
    return by_search(bench, case)


def by_steps(bench: Bench, case: Case) -> Replayed:
    """The exact turns; the constraints if these no longer show what they should."""
    turns = turns_of(case)
    execution = bench.run_on_trio(Replay(turns))
    position = first_divergence(turns, execution.turns)
    diverged = "" if position is None else divergence(bench, case, execution, position)
    replayed = Replayed(bench, execution, verdict(execution), "steps", diverged=diverged)
    if replayed.kind == case.finding and (case.finding != NONE or not diverged):
        return replayed
    if case.schedule.order:
        other = by_order(bench, case, diverged)
        # Where neither shows it, exact steps say more than an order that may be kept in many ways.
        return replayed if not diverged and other.kind != case.finding else other
    if diverged:
        return Replayed(bench, execution, verdict(execution), "steps", 1, diverged, f"the steps end {diverged}")
    return replayed


def by_order(bench: Bench, case: Case, diverged: str) -> Replayed:
    """The constraints: some linearisation that shows the finding, else the default one."""
    constraints = case.schedule.order
    scheduler = OrderReplay(constraints)
    default = bench.run(scheduler)
    impossible = scheduler.impossible
    if case.finding != NONE:
        execution, tried, _ = replay_order(bench, constraints, case.finding)
        if execution is not None:
            return confirmed(bench, execution, "order", tried, diverged)
        return confirmed(bench, default, "order", tried, diverged, impossible)
    return confirmed(bench, default, "order", 1, diverged, impossible)


def by_search(bench: Bench, case: Case) -> Replayed:
    """Without a schedule: the default one, then random ones until one shows something."""
    first = bench.run(Replay(()))
    if wanted(case, first):
        return confirmed(bench, first, "default")
    other: tuple[Execution, int] | None = None
    walk = RandomWalk(Random(0))
    for number in range(RANDOM_TRIES):
        execution = bench.run(walk)
        if wanted(case, execution):
            return confirmed(bench, execution, "random", number + 2)
        if other is None and verdict(execution) is not None:
            other = (execution, number + 2)
    if verdict(first) is None and other is not None:
        return confirmed(bench, other[0], "random", other[1])
    return confirmed(bench, first, "default", 1 + RANDOM_TRIES)


def wanted(case: Case, execution: Execution) -> bool:
    """Whether an execution settles the case: what it declares, or anything if it must stay clean."""
    found = verdict(execution)
    return found is not None and case.finding in (NONE, found.kind)


def confirmed(
    bench: Bench, execution: Execution, via: str, tried: int = 1, diverged: str = "", impossible: str = ""
) -> Replayed:
    """The same execution as Trio tasks."""
    again = bench.run_on_trio(Replay(execution.turns))
    return Replayed(bench, again, verdict(again), via, tried, diverged, impossible)


def turns_of(case: Case, runs: Iterable[tuple[str, int]] | None = None) -> tuple[int, ...]:
    """The turns of a case, or those of other runs of its tasks, as task indices."""
    index = {name: number for number, name in enumerate(case.program.tasks)}
    runs = case.schedule.steps if runs is None else runs
    return tuple(index[name] for name, count in runs for _ in range(count))


def steps_of(program: Program, turns: Iterable[int]) -> tuple[tuple[str, int], ...]:
    """Turns as a case has them: run-length, by the names of tasks."""
    names = list(program.tasks)
    return tuple((names[task], len(list(group))) for task, group in groupby(turns))


def divergence(bench: Bench, case: Case, execution: Execution, turn: int) -> str:
    """Where the steps stopped to fit, and the last step before."""
    labels = labels_of(bench.sim.world, execution.turns[:turn])
    names = list(case.program.tasks)
    meant = names[turns_of(case)[turn]]
    after = f", after {labels[-1]}" if labels else ""
    return f"at turn {turn}, which {meant} cannot take{after}"
