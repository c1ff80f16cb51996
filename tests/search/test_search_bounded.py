"""The enumeration of schedules with few preemptions, against an enumeration that knows nothing of it."""

from __future__ import annotations

from itertools import permutations

import pytest

from daxfuzz.search import bounded_runs, switches_of
from daxfuzz.search.recorder import Recorder
from daxfuzz.search.replay import Replay
from daxfuzz.sim import Atomic, Cell, Mutex, Stepper, World

LIMIT = 100
ALL = 100_000


def free(steps: tuple[int, ...]) -> World:
    """Tasks that never block, each with so many steps."""
    world = World()
    for index, count in enumerate(steps):
        counter = Atomic(world, f"a{index}")

        async def run(counter: Atomic = counter, count: int = count) -> None:
            for _ in range(count):
                await counter.add(1)

        world.spawn(f"t{index}", run)
    return world.seal()


def locked() -> World:
    """Two tasks that read and write under a lock, and one that reads."""
    world = World()
    lock, cell = Mutex(world, "lock"), Cell(world, "cell", 0)

    async def add() -> None:
        await lock.acquire()
        await cell.write(await cell.read() + 1)
        await lock.release()

    async def look() -> None:
        await cell.read()

    for name, actor in (("a", add), ("b", add), ("c", look)):
        world.spawn(name, actor)
    return world.seal()


def lost_update() -> World:
    world = World()
    cell = Cell(world, "cell", 0)

    async def add() -> None:
        await cell.write(await cell.read() + 1)

    for name in ("a", "b"):
        world.spawn(name, add)
    return world.seal()


@pytest.mark.parametrize("steps", [(1, 1), (2, 2), (3, 2), (2, 2, 1), (1, 1, 1, 1)])
def test_without_bounds_it_is_every_interleaving_once(steps: tuple[int, ...]) -> None:
    turns = [tuple(run.execution.turns) for run in bounded_runs(free(steps), ALL, 99, LIMIT)]
    pool = [index for index, count in enumerate(steps) for _ in range(count)]
    assert sorted(turns) == sorted(set(permutations(pool)))


def test_the_order_is_by_preemptions_then_choices_and_the_costs_are_right() -> None:
    world = locked()
    runs = list(bounded_runs(world, ALL, 99, LIMIT))
    costs = [(run.preemptions, run.choices) for run in runs]
    assert costs == sorted(costs)
    assert costs[0] == (0, 0)
    assert len({tuple(run.execution.turns) for run in runs}) == len(runs)
    for run in runs:
        recorder = Recorder(Replay(run.execution.turns))
        Stepper(world).run(recorder, LIMIT)
        counted = switches_of(recorder.turns)
        assert (counted.preemptions, counted.choices, counted.schedule) == (*costs[runs.index(run)], run.schedule)


@pytest.mark.parametrize("bound", [0, 1, 2])
def test_a_bound_keeps_exactly_the_schedules_within_it(bound: int) -> None:
    within = [run.schedule for run in bounded_runs(locked(), ALL, bound, LIMIT)]
    every = [run.schedule for run in bounded_runs(locked(), ALL, 99, LIMIT) if run.preemptions <= bound]
    assert sorted(within, key=str) == sorted(every, key=str)


def test_the_number_of_executions_is_a_bound() -> None:
    assert len(list(bounded_runs(locked(), 7, 99, LIMIT))) == 7


def test_a_lost_update_needs_exactly_one_preemption() -> None:
    world = lost_update()
    cell = world.objects[0]
    lost = [
        (run.preemptions, run.choices)
        for run in bounded_runs(world, ALL, 99, LIMIT)
        if isinstance(cell, Cell) and cell.value == 1
    ]
    assert lost[0] == (1, 0)
