"""The minima of hypothesis beside those of triage: which of the two makes smaller programs of a known failure.

hypothesis draws programs of the operations that a minimized case has, on that case's kernel and machine, until one
fails in the same way under some schedule that a search finds, and shrinks it. The case is what triage made of what the
built-in engine had found. Schedules, and the order of tasks, are made as simple as triage makes them, on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from daxfuzz.engines.strategies.programs import programs
from daxfuzz.program.case import Case, Program
from daxfuzz.program.dax_file import load_case
from daxfuzz.search import sparsify
from daxfuzz.triage.bench import Bench, KernelChoice
from daxfuzz.triage.minimize import in_best_order, simplest
from daxfuzz.triage.replay import turns_of
from daxfuzz.triage.reproduce import QUICK, Effort, Failure, Goal, patience, replay, scheduled, search

EFFORT = Effort(40, 4)
"""Executions per program while hypothesis draws and shrinks."""

MORE_CALLS = 2
"""Calls that a task may have beside those of the case's longest."""

Size = tuple[int, int, int, int]
"""Tasks, operations, preemptions, choices."""


class Outcome(StrEnum):
    """How the two compare."""

    SMALLER = "smaller"
    EQUAL = "equal"
    LARGER = "larger"
    NOT_FOUND = "not found"
    """hypothesis has drawn no program that fails."""


@dataclass(frozen=True, slots=True)
class Minima:
    """Of one case.

    ours: of the case.
    theirs: hypothesis's smallest, None if it found nothing.
    searches: how many it has made.
    """

    path: Path
    ours: Size
    theirs: Size | None
    searches: int = 1

    @property
    def outcome(self) -> Outcome:
        if self.theirs is None:
            return Outcome.NOT_FOUND
        if self.theirs == self.ours:
            return Outcome.EQUAL
        return Outcome.SMALLER if self.theirs < self.ours else Outcome.LARGER


def compare(path: Path, examples: int, seed: int, searches: int = 1) -> Minima:
    """Let hypothesis draw so many programs, and shrink what fails.

    searches: how often at most, from one seed after the other, until that is no larger than the case. hypothesis makes
        a failing program smaller by small changes, so that one search may end at a local minimum.

    Raises InputError for what is no case, and as composing its kernel does; ValueError for a case that does not fail.
    """
    case = load_case(path)
    kernel = KernelChoice(case.kernel)
    failure = replay(case.program, kernel, turns_of(case))
    if failure is None or failure.violation.kind != case.finding:
        raise ValueError(f"{path}: its steps do not show {case.finding}")
    ours, least, made = size(failure), None, 0
    while made < searches and (least is None or least > ours):
        found = shrunk(case, kernel, failure, examples, seed + made)
        least = min((each for each in (least, found) if each is not None), default=None)
        made += 1
    return Minima(path, ours, least, made)


def shrunk(case: Case, kernel: KernelChoice, failure: Failure, examples: int, seed: int) -> Size | None:
    """The size of what hypothesis finds and shrinks, None if it finds nothing."""
    goal, limit = Goal(case.finding), patience(failure)
    try:
        least = find(
            drawn(case),
            lambda program: search(program, kernel, goal, EFFORT, limit=limit) is not None,
            settings=settings(
                max_examples=examples,
                phases=[Phase.generate, Phase.shrink],
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
            random=Random(seed),
        )
    except NoSuchExample:
        return None
    found = search(least, kernel, goal, QUICK, limit=limit)
    assert found is not None, "less effort has found it"
    return size(in_best_order(simplest(found)).failure)


def drawn(case: Case) -> st.SearchStrategy[Program]:
    """Programs of the case's operations, on its machine, with its kind of set-up."""
    tasks, setup = case.program.tasks, case.program.setup
    names = sorted({call.name for calls in tasks.values() for call in calls})
    plain = programs(
        operations=names,
        tasks=len(tasks) + 1,
        calls=max(map(len, tasks.values())) + MORE_CALLS,
        files=len(setup.files),
        pages=max(setup.files.values()),
        machine=st.just(case.program.machine),
    )

    def with_setup(program: Program) -> Program:
        clones = {copy: source for copy, source in setup.clones.items() if copy in program.setup.files}
        return replace(program, setup=replace(program.setup, huge=setup.huge, align=setup.align, clones=clones))

    return plain.map(with_setup)


def size(failure: Failure) -> Size:
    """What makes a failure small."""
    world = Bench(failure.program, failure.kernel).sim.world
    switches = sparsify(world, scheduled(failure.execution))
    tasks = [calls for calls in failure.program.tasks.values() if calls]
    return len(tasks), sum(map(len, tasks)), switches.preemptions, switches.choices


def summary(found: Sequence[Minima]) -> dict[str, int]:
    """How many have each outcome."""
    return {str(each): sum(minima.outcome is each for minima in found) for each in Outcome}
