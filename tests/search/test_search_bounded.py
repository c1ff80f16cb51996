"""The enumeration of schedules with few preemptions, against an enumeration that knows nothing of it."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from search_programs import abba, all_turns, lost_wakeup

from daxfuzz.search import DELAYS, PREEMPTIONS, BoundedSearch, bounded_runs, switches_of
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


def delays_of(turns: tuple[int, ...], questions: list[tuple[int, ...]]) -> int:
    """How many delays a schedule takes, by playing the deterministic scheduler with a delay at a time."""
    delays = 0
    current = 0
    for chosen, enabled in zip(turns, questions, strict=True):
        while current not in enabled:
            current = (current + 1) % 8
        while current != chosen:
            delays += 1
            current = (current + 1) % 8
            while current not in enabled:
                current = (current + 1) % 8
    return delays


@pytest.mark.parametrize("factory", [lambda: free((2, 2, 1)), lambda: free((1, 1, 1, 1)), locked, abba, lost_wakeup])
@pytest.mark.parametrize("measure", [DELAYS, PREEMPTIONS])
@pytest.mark.parametrize("seed", [None, 1])
def test_every_schedule_comes_once_and_the_cheap_ones_first(factory, measure, seed: int | None) -> None:
    world = factory()
    every = dict(all_turns(world))
    search = BoundedSearch(measure, random.Random(seed) if seed else None)
    host = Stepper(world)
    seen = {}
    while search.more():
        turns = tuple(host.run(search, LIMIT).turns)
        assert turns not in seen
        seen[turns] = search.cost
    assert sorted(seen) == sorted(every)
    assert list(seen.values()) == sorted(seen.values())
    if measure is DELAYS:
        assert {turns: (delays_of(turns, questions), 0) for turns, questions in every.items()} == seen
    # Then all over again.
    assert tuple(host.run(search, LIMIT).turns) == next(iter(seen))


def test_delays_are_fewer_schedules_than_preemptions() -> None:
    # n tasks of k steps: a delay has n k places, and a preemption as many and n - 1 tasks to go to.
    def within(measure, bound: int) -> int:
        search, host = BoundedSearch(measure, most=bound), Stepper(free((3, 3, 3, 3)))
        count = 0
        while search.more():
            host.run(search, LIMIT)
            count += 1
        return count

    # The last task that is left cannot be delayed: 9 places.
    assert (within(DELAYS, 0), within(DELAYS, 1)) == (1, 1 + 9)
    assert within(PREEMPTIONS, 0) == 24
    assert within(PREEMPTIONS, 1) > 24 + 100


def test_without_a_draw_the_beginning_comes_first_and_with_one_anything_may() -> None:
    def second_switches(rng: random.Random | None) -> list[int]:
        search, host = BoundedSearch(DELAYS, rng), Stepper(free((20, 20)))
        switches = []
        for _ in range(10):
            host.run(search, LIMIT)
            switches += [turn for turn, _ in search.schedule.switches]
        return switches

    assert second_switches(None) == list(range(9))
    assert len(set(second_switches(random.Random(1)))) == 9
    assert max(second_switches(random.Random(1))) > 12


def test_another_world_is_another_search() -> None:
    search = BoundedSearch(DELAYS)
    for factory in (lambda: free((2, 2)), abba):
        host = Stepper(factory())
        host.run(search, LIMIT)
        assert search.cost == (0, 0)
        host.run(search, LIMIT)
        assert search.cost == (1, 0)
