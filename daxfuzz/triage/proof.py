"""The cause of a failure as a proof: few ordering constraints under which every interleaving fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from random import Random

from daxfuzz.oracles.livelock import Livelock
from daxfuzz.search import (
    Bounds,
    Constrained,
    OrderReplay,
    Replay,
    Verdict,
    bounded_runs,
    labels_of,
    pending_labels,
    sparsify,
)
from daxfuzz.sim import Constraint, Execution, Label
from daxfuzz.triage.bench import Bench, verdict
from daxfuzz.triage.reproduce import Failure, patience, scheduled
from daxfuzz.triage.verify import forgetful
from daxfuzz.triage.words import plural

EXECUTIONS = 20_000
"""Of one exhaustive search, if nobody says otherwise."""

SIMPLE = 150
"""Executions with at most one preemption that are looked at first: what passes among them is easy to read."""

SAMPLES = 40
"""Random linearisations that are tried before a search of all."""

SAMPLED = 300
"""Random linearisations that stand in for a search that a bound has cut."""

WITNESSES = 100
"""Random linearisations among which a passing one is looked for before a search of all."""

STAY = (0.0, 0.9, 0.99)
"""How likely a task runs on in a random linearisation: at every step a draw, few ones get anywhere."""

CLEAN = ""
"""What a run shows that passes."""

Told = Callable[[str], None]
"""Is told what is going on, for somebody who waits."""


@dataclass(frozen=True, slots=True)
class Run:
    """An execution that does not show the failure.

    turns: indices of tasks. shows: the kind of violation that it shows instead, CLEAN if it passes.
    """

    turns: tuple[int, ...]
    shows: str = CLEAN


@dataclass(frozen=True, slots=True)
class Needed:
    """A constraint, and what happens without it.

    without: a run that keeps all the others and breaks this one, and does not fail; None if none was found.
    """

    constraint: Constraint
    without: Run | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """That every interleaving fails which keeps the constraints, and that none of them can be left out.

    kind: of violation that is shown. needed: the constraints, in the order in which the failing run keeps them.
    exhausted: whether every interleaving that keeps them was covered; if not, `bound` says what has cut the search.
    interleavings: how many there are, if all were covered. loops: whether tasks can go round in loops, so that there
        are more of them; those that do were looked at up to where they come round again.
    states: that were gone through.
    sampled: random linearisations that were run, and all failed, where not all were covered; 0 where they were.
    smallest: whether fewer constraints between steps of the failing run are not enough.
    executions: spent on all of it.
    """

    kind: str
    needed: tuple[Needed, ...]
    exhausted: bool = False
    bound: str = ""
    interleavings: int = 0
    loops: bool = False
    states: int = 0
    sampled: int = 0
    smallest: bool = False
    executions: int = 0

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        return tuple(each.constraint for each in self.needed)


class NoProof(Exception):
    """No set of constraints between labelled steps of the failing run makes every interleaving fail."""


def prove(failure: Failure, bounds: Bounds | None = None, told: Told | None = None) -> Proof:
    """The smallest set of ordering constraints that is enough for a failure, each as weak as it can be.

    Candidates are the hand-overs of the failing run between any two of its tasks: the last step of one before a step
    of the other. With the constraints that a set of them is, a run that does not fail breaks none; so the set must
    have one that it breaks of every run known not to fail. The smallest such set is taken and searched for a run that
    does not fail, which is then known, too; until there is none. Then each constraint is weakened: its `before` goes
    to an earlier step of its task, and its `after` to a later one, as far as every interleaving still fails.

    bounds: of each exhaustive search, and of all the work if it has seconds. Where one is reached, random
        linearisations stand in. told: hears what is going on.

    Raises NoProof, and whatever composing the kernel raises.
    """
    return _Prover(failure, bounds or Bounds(executions=EXECUTIONS), told or (lambda text: None)).prove()


def order_of(program_tasks: Sequence[str], turns: Iterable[int]) -> str:
    """Turns as a case has its steps: task*times."""
    return " ".join(f"{program_tasks[task]}*{len(list(group))}" for task, group in groupby(turns))


class _Known:
    """A run that does not fail, and where its labels are."""

    def __init__(self, run: Run, labels: Iterable[Label]) -> None:
        self.run = run
        self._at = {label: position for position, label in enumerate(labels)}

    def keeps(self, constraint: Constraint) -> bool:
        """Whether `after` does not come before `before`."""
        after = self._at.get(constraint.after)
        return after is None or self._at.get(constraint.before, after) < after

    def keeps_all(self, constraints: Iterable[Constraint]) -> bool:
        return all(map(self.keeps, constraints))


@dataclass(slots=True)
class _Covered:
    """What a search under constraints has shown, if it has found no run that does not fail."""

    exhausted: bool
    bound: str = ""
    interleavings: int = 0
    loops: bool = False
    states: int = 0
    sampled: int = 0


class _Prover:
    """Looks for a proof; keeps every run that is found not to fail, since it rules out further sets at no cost."""

    def __init__(self, failure: Failure, bounds: Bounds, told: Told) -> None:
        self.failure = failure
        self.goal = failure.goal
        self.bounds = bounds
        self.told = told
        self.bench = Bench(failure.program, failure.kernel)
        self.limit = patience(failure)
        self.known: list[_Known] = []
        self.executions = 0
        self.doing = ""
        self.deadline = None if bounds.seconds is None else time.monotonic() + bounds.seconds
        turns = scheduled(failure.execution)
        self.turns = turns
        self.labels = labels_of(self.bench.sim.world, turns)
        self.pending = pending_labels(self.bench.sim.world, turns)
        self.rank = {label: position for position, label in enumerate([*self.labels, *self.pending])}

    def prove(self) -> Proof:
        for run in bounded_runs(self.bench.sim.world, SIMPLE, 1, self.limit):
            self._look_at(run.execution)
        chosen, covered = self._smallest()
        if chosen:
            chosen, covered = self._weakest(chosen, covered)
        chosen = sorted(chosen, key=lambda each: self.rank[each.after])
        # No tuple in the making: a search holds on to every object that there is.
        needed = [Needed(each, self._without(chosen, each)) for each in chosen]
        return Proof(
            self.failure.violation.kind,
            tuple(needed),
            covered.exhausted,
            covered.bound,
            covered.interleavings,
            covered.loops,
            covered.states,
            covered.sampled,
            covered.exhausted,
            self.executions,
        )

    # -- which constraints ---------------------------------------------------------------------------------------

    def _candidates(self) -> list[Constraint]:
        """For any two tasks: the last step of one before each that the other takes after it, or would take next."""
        steps = [*zip(self.turns, self.labels, strict=True)]
        names = [task.name for task in self.bench.sim.world.tasks]
        steps += [(names.index(label.task), label) for label in self.pending]
        found: dict[Constraint, None] = {}
        for position, (task, label) in enumerate(steps):
            for other in dict.fromkeys(self.turns):
                if other == task:
                    continue
                end = min(position, len(self.turns))
                last = next((i for i in reversed(range(end)) if steps[i][0] in (task, other)), None)
                if last is not None and steps[last][0] == other:
                    found[Constraint(steps[last][1], label)] = None
        return list(found)

    def _smallest(self) -> tuple[list[Constraint], _Covered]:
        candidates = self._candidates()
        while True:
            chosen = smallest_cover(candidates, self.known)
            if chosen is None:
                raise NoProof("an interleaving takes the steps of the failing run in the same order and does not fail")
            self.doing = f"trying {plural(len(chosen), 'constraint')}"
            covered = self._covered(chosen)
            if covered is not None:
                return chosen, covered

    def _weakest(self, chosen: list[Constraint], covered: _Covered) -> tuple[list[Constraint], _Covered]:
        """Weaken one constraint after the other."""
        for number in range(len(chosen)):
            for weaker_ones in (self._earlier_before, self._later_after):
                for weaker in weaker_ones(chosen[number]):
                    if self.deadline is not None and time.monotonic() >= self.deadline:
                        return chosen, covered
                    tried = [*chosen[:number], weaker, *chosen[number + 1 :]]
                    if self._refuted(tried):
                        continue
                    self.doing = f"weakening constraint {number + 1} of {len(chosen)}"
                    result = self._covered(tried, sample=not covered.exhausted)
                    if result is not None and (result.exhausted or not covered.exhausted):
                        chosen, covered = tried, result
                        break
        return chosen, covered

    def _earlier_before(self, constraint: Constraint) -> Iterator[Constraint]:
        """With an earlier step of the first task, the earliest first."""
        for label in self.labels[: self.rank[constraint.before]]:
            if label.task == constraint.before.task:
                yield replace(constraint, before=label)

    def _later_after(self, constraint: Constraint) -> Iterator[Constraint]:
        """With a later step of the second task, the latest first."""
        for label in reversed([*self.labels, *self.pending][self.rank[constraint.after] + 1 :]):
            if label.task == constraint.after.task:
                yield replace(constraint, after=label)

    def _without(self, chosen: Sequence[Constraint], dropped: Constraint) -> Run | None:
        """The simplest known run that keeps all constraints but one and does not fail; if there is none, any."""
        others = [each for each in chosen if each is not dropped]
        self.doing = f"leaving out {dropped}"
        backwards = [*others, Constraint(dropped.after, dropped.before)]
        for run in self._linearisations(backwards, WITNESSES):
            self._look_at(run)
            if any(each.run.shows == CLEAN and each.keeps_all(others) for each in self.known):
                break
        fitting = [each.run for each in self.known if each.keeps_all(others) and not each.keeps(dropped)]
        if not any(run.shows == CLEAN for run in fitting):
            before = len(self.known)
            self._exhaust(others, keep_going=True)
            fitting += [each.run for each in self.known[before:] if each.keeps_all(others) and not each.keeps(dropped)]
        return min(fitting, key=self._complexity, default=None)

    def _complexity(self, run: Run) -> tuple[bool, int, int, int]:
        switches = sparsify(self.bench.sim.world, run.turns)
        return run.shows != CLEAN, switches.preemptions, switches.choices, len(run.turns)

    # -- whether they are enough ---------------------------------------------------------------------------------

    def _refuted(self, constraints: Sequence[Constraint]) -> bool:
        return any(each.keeps_all(constraints) for each in self.known)

    def _covered(self, constraints: Sequence[Constraint], sample: bool = True) -> _Covered | None:
        """What covers the interleavings that keep constraints, None if some does not fail; then one more is known.

        sample: whether random ones are to stand in for a search that a bound has cut.
        """
        for run in self._linearisations(constraints, SAMPLES):
            if self._look_at(run):
                return None
        covered = self._exhaust(constraints)
        if covered is None or covered.exhausted or not sample:
            return covered
        for run in self._linearisations(constraints, SAMPLED):
            covered.sampled += 1
            if self._look_at(run):
                return None
        return covered

    def _linearisations(self, constraints: Sequence[Constraint], number: int) -> Iterator[Execution]:
        """Random executions that keep constraints; the first is the one without more switches than it takes."""
        rng = Random(0)
        for tried in range(number):
            scheduler = OrderReplay(constraints, rng if tried else None, STAY[tried % len(STAY)])
            execution = self._run(scheduler)
            if not scheduler.impossible:
                yield execution

    def _run(self, scheduler: OrderReplay | Replay) -> Execution:
        self.executions += 1
        return self.bench.run(scheduler, self.limit)

    def _exhaust(self, constraints: Sequence[Constraint], keep_going: bool = False) -> _Covered | None:
        """Search all interleavings that keep constraints.

        keep_going: whether a run counts only if it passes.
        """
        if self.failure.violation.kind in Livelock.kinds:
            return _Covered(False, "a program that does not end has no end to search")
        bounds = self.bounds
        if self.deadline is not None:
            bounds = replace(bounds, seconds=max(self.deadline - time.monotonic(), 0.0))
        world = forgetful(self.failure.program, self.failure.kernel).world
        search = Constrained(world, constraints, self.goal.met, bounds, self._searching)
        result = search.search()
        self.executions += result.executions
        refuted = False
        for turns in (search.clean, search.other, *result.spins):
            if turns is not None and self._look_at(self._run(Replay(turns)), constraints):
                refuted = True
        if refuted:
            return None
        if search.clean is not None or (search.other is not None and not keep_going):
            raise NoProof("a run that the search has found does not show itself again")
        return _Covered(result.exhausted, result.bound, search.ways, result.cycles > 0, result.states)

    def _searching(self, so_far: Verdict) -> None:
        self.told(f"{self.doing}: {so_far.executions:,} executions, {so_far.states:,} states")

    def _look_at(self, execution: Execution, constraints: Sequence[Constraint] = ()) -> bool:
        """Keep an execution that does not fail: whether it is one, and keeps the constraints."""
        if execution.exhausted and self.failure.violation.kind not in Livelock.kinds:
            return False
        found = verdict(execution)
        shown = [each for each in (execution.violation, *execution.deferred) if each is not None]
        if any(self.goal.met(each) for each in shown):
            return False
        run = Run(tuple(execution.turns), CLEAN if found is None else found.kind)
        known = _Known(run, labels_of(self.bench.sim.world, run.turns))
        if not known.keeps_all(constraints):
            return False
        if all(run.turns != each.run.turns for each in self.known):
            self.known.append(known)
        return True


def smallest_cover(candidates: Sequence[Constraint], runs: Sequence[_Known]) -> list[Constraint] | None:
    """A smallest set of constraints of which each run breaks one; None if some run breaks none.

    By iterative deepening: some constraint that the first run breaks is in it.
    """
    broken = [frozenset(i for i, each in enumerate(candidates) if not run.keeps(each)) for run in runs]
    if not all(broken):
        return None
    rows = sorted(set(broken), key=lambda row: (len(row), sorted(row)))

    def cover(chosen: tuple[int, ...], size: int) -> tuple[int, ...] | None:
        row = next((row for row in rows if row.isdisjoint(chosen)), None)
        if row is None:
            return chosen
        if size == 0:
            return None
        return next((found for i in sorted(row) if (found := cover((*chosen, i), size - 1)) is not None), None)

    found = next(found for size in range(len(candidates) + 1) if (found := cover((), size)) is not None)
    return [candidates[i] for i in found]
