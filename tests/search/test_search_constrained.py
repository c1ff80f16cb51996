"""The search under constraints goes through the interleavings that keep them, counted by running each of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from tiny_programs import TinyProgram

from daxfuzz.search import Bounds, Constrained, OrderReplay, RandomWalk, labels_of
from daxfuzz.search.order import Occurrences
from daxfuzz.sim import Cell, Constraint, Label, Scheduler, Stepper, Violation, World

MOST = 250
"""Interleavings of a program that is compared: each costs a run."""


class Everything(Constrained):
    """Does not stop where a run passes."""

    def _stops(self) -> bool:
        return False


class Prefix(Scheduler):
    """Takes given turns, and notes who may go on after them."""

    def __init__(self, turns: Sequence[int], constraints: Sequence[Constraint]) -> None:
        self.turns = turns
        self.constraints = constraints
        self.allowed: list[int] = []
        self.shown: list[str] = []
        self.asked = False

    def new_execution(self, world: World) -> None:
        self.world = world
        self.taken = 0
        self.done: set[Label] = set()
        self.occurrences = Occurrences()

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        tasks = self.world.tasks
        if self.taken == len(self.turns):
            self.asked = True
            self.shown = [each.kind for each in self.world.deferred]
            self.allowed = [i for i in enabled if self.may(self.occurrences.next_label(tasks[i]))]
            return enabled[0]
        chosen = self.turns[self.taken]
        self.taken += 1
        self.done.add(self.occurrences.next_label(tasks[chosen]))
        self.occurrences.take(tasks[chosen])
        return chosen

    def may(self, label: Label) -> bool:
        return all(each.before in self.done for each in self.constraints if each.after == label)


def runs(world: World, constraints: Sequence[Constraint], turns: tuple[int, ...] = ()) -> Iterator[str]:
    """What each interleaving that keeps the constraints shows first; "held back" where nobody may go on."""
    prefix = Prefix(turns, constraints)
    execution = Stepper(world).run(prefix, limit=len(turns) + 1)
    if not prefix.asked:
        shown = [each.kind for each in (execution.violation, *execution.deferred) if each is not None]
        yield shown[0] if shown else ""
        return
    if prefix.shown:
        yield prefix.shown[0]
        return
    if not prefix.allowed:
        yield "held back"
    for task in prefix.allowed:
        yield from runs(world, constraints, (*turns, task))


def some_constraints(world: World, seed: int) -> list[Constraint]:
    """Of a random execution, which most of them hold for."""
    rng = random.Random(seed)
    execution = Stepper(world).run(RandomWalk(rng), limit=200)
    labels = labels_of(world, execution.turns)
    chosen = []
    for _ in range(rng.randint(0, 2)):
        first, second = sorted(rng.sample(range(len(labels)), 2)) if len(labels) > 1 else (0, 0)
        if labels[first].task != labels[second].task:
            first, second = (second, first) if rng.random() < 0.2 else (first, second)
            chosen.append(Constraint(labels[first], labels[second]))
    return chosen


def test_it_counts_what_running_each_interleaving_counts() -> None:
    compared = constrained = held_back = failing = passing = 0
    for seed in range(200):
        world = TinyProgram(seed, observed=seed % 3 == 0).world
        constraints = some_constraints(world, seed)
        shown: Counter[str] = Counter()
        for each in runs(world, constraints):
            shown[each] += 1
            if shown.total() > MOST:
                break
        else:
            search = Everything(world, constraints, lambda violation: True)
            verdict = search.search()
            assert verdict.exhausted
            if not verdict.cycles:
                assert search.ways == shown.total() - shown["held back"]
            assert bool(search.impossible) == bool(shown["held back"])
            assert (search.clean is not None) == bool(shown[""])
            compared += 1
            constrained += bool(constraints)
            held_back += bool(shown["held back"])
            failing += shown.total() > shown[""] + shown["held back"]
            passing += bool(shown[""])
    assert compared >= 60
    assert constrained >= 25
    assert held_back >= 1
    assert failing >= 10
    assert passing >= 30


def two_writers() -> World:
    world = World()
    cell = Cell(world, "cell", 0)

    async def first() -> None:
        await cell.write(1)
        await cell.write(2)

    async def second() -> None:
        if await cell.read() == 1:
            raise Violation("seen", "one is seen", tasks=("second",))

    world.spawn("first", first)
    world.spawn("second", second)
    return world.seal()


BETWEEN = [
    Constraint(Label("first", "first", "write"), Label("second", "second", "read")),
    Constraint(Label("second", "second", "read"), Label("first", "first", "write", 2)),
]


@pytest.mark.parametrize(
    ("constraints", "ways", "clean"), [(BETWEEN, 1, False), (BETWEEN[:1], 2, True), (BETWEEN[1:], 2, True)]
)
def test_the_cause_in_two_constraints(constraints: list[Constraint], ways: int, clean: bool) -> None:
    search = Everything(two_writers(), constraints, lambda violation: violation.kind == "seen")
    assert search.search().exhausted
    assert (search.ways, search.clean is not None) == (ways, clean)


def test_what_is_shown_instead_of_what_is_wanted() -> None:
    search = Everything(two_writers(), BETWEEN, lambda violation: False)
    search.search()
    assert search.other == (0, 1)
    assert search.clean is None


def test_the_run_that_passes_keeps_the_constraints() -> None:
    world = two_writers()
    search = Constrained(world, BETWEEN[:1], lambda violation: True)
    search.search()
    assert search.clean == (0, 0, 1)
    replay = OrderReplay(BETWEEN[:1])
    Stepper(world).run(replay)
    assert not replay.impossible


def test_a_bound_cuts_it() -> None:
    search = Everything(two_writers(), [], lambda violation: True, Bounds(executions=1))
    assert search.search().bound == "executions"
