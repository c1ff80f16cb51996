from __future__ import annotations

import random
import types
from collections import Counter
from collections.abc import Generator

import pytest
from search_programs import abba, all_turns, chi_square, chi_square_limit, lost_update

from daxfuzz.search import PCT, POS, SURW, Profile, RandomWalk, UniformWalk
from daxfuzz.sim import (
    Access,
    Atomic,
    Cell,
    Mutex,
    Point,
    Scheduler,
    Shared,
    Stepper,
    Task,
    Violation,
    World,
)

EXECUTIONS = 6000


class Start(Shared):
    """What a thread waits for before its first step: that another one creates it."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.started = False
        self.waiting: Task | None = None
        self._start = self.point(Access.UNLOCK, "start")
        self._begin = self.point(Access.LOCK, "begin")

    @types.coroutine
    def create(self) -> Generator[Point, None, None]:
        yield self._start
        self.started = True
        if self.waiting is not None:
            self.world.enable(self.waiting)

    @types.coroutine
    def begin(self) -> Generator[Point, None, None]:
        self.waiting = self.world.current
        if not self.started:
            self.world.block(self.waiting, self)
        yield self._begin

    def state(self) -> bool:
        return self.started

    def restore(self, state: bool) -> None:
        self.started = state
        self.waiting = None


def counted(*lengths: int) -> World:
    """Tasks that take so many steps each, none of which depends on another."""
    world = World()
    cell = Cell(world, "cell", 0)

    def actor(length: int):
        async def run() -> None:
            for _ in range(length):
                await cell.write(1)

        return run

    for index, length in enumerate(lengths):
        world.spawn(f"t{index}", actor(length))
    return world.seal()


def creating(spare: int = 0) -> World:
    """A main task that creates two others, of which the first creates a third; main has `spare` steps before each."""
    world = World()
    cell = Cell(world, "cell", 0)
    starts = [Start(world, f"start{i}") for i in range(3)]

    async def main() -> None:
        for start in starts[:2]:
            for _ in range(spare):
                await cell.write(0)
            await start.create()

    async def first() -> None:
        await starts[0].begin()
        await starts[2].create()
        await cell.write(1)

    async def second() -> None:
        await starts[1].begin()
        await cell.write(2)
        await cell.write(2)

    async def third() -> None:
        await starts[2].begin()

    for actor in (main, first, second, third):
        world.spawn(actor.__name__, actor)
    return world.seal()


@pytest.mark.parametrize(
    "factory",
    [lambda: counted(2, 2), lambda: counted(1, 5), lambda: counted(1, 2, 3), lambda: lost_update(3), creating],
)
def test_all_interleavings_are_equally_likely(factory) -> None:
    schedules = [turns for turns, _ in all_turns(factory())]
    host, walk = Stepper(factory()), UniformWalk(random.Random(1))
    host.run(walk)
    observed = Counter(tuple(host.run(walk).turns) for _ in range(EXECUTIONS))
    statistic, freedom = chi_square(observed, dict.fromkeys(schedules, 1 / len(schedules)))
    # An error once in 10,000 seeds, and this one is fixed.
    assert statistic < chi_square_limit(freedom)


def test_only_the_first_execution_of_a_world_is_a_profiling_run() -> None:
    for scheduler in (UniformWalk(random.Random(1)), SURW(random.Random(1))):
        for world in (counted(1, 5), counted(3, 2)):
            host = Stepper(world)
            assert [(host.run(scheduler), scheduler.profiling)[1] for _ in range(3)] == [True, False, False]


def test_the_profiling_run_is_a_random_walk() -> None:
    for seed in range(20):
        expected = Stepper(counted(2, 3, 4)).run(RandomWalk(random.Random(seed))).turns
        assert Stepper(counted(2, 3, 4)).run(UniformWalk(random.Random(seed))).turns == expected


def test_a_profile_is_shared() -> None:
    world, profile = counted(1, 2, 3), Profile()
    Stepper(world).run(UniformWalk(random.Random(1), profile))
    surw = SURW(random.Random(1), profile)
    Stepper(world).run(surw)
    assert not surw.profiling
    assert profile.turns == [1, 2, 3]
    assert [obj.name for obj in profile.shared()] == ["cell"]
    assert profile.accesses(surw.target) == [1, 2, 3]


def test_a_profile_knows_who_creates_whom() -> None:
    world, profile = creating(3), Profile()
    Stepper(world).run(UniformWalk(random.Random(1), profile))
    assert sorted(profile.births.items()) == [(1, 0), (2, 0), (3, 1)]
    assert profile.turns == [8, 3, 3, 1]
    assert profile.subtrees(profile.turns) == [15, 4, 3, 1]


def test_objects_on_which_nobody_conflicts_are_of_no_interest() -> None:
    world = World()
    written, read, added, own = (Cell(world, name, 0) for name in ("written", "read", "added", "own"))
    counter, both = Atomic(world, "counter"), Atomic(world, "both")

    async def a() -> None:
        await read.read()
        await own.write(1)
        await written.write(1)
        await counter.add(1)
        await both.add(1)

    async def b() -> None:
        await read.read()
        await written.read()
        await counter.add(1)
        await both.read()

    world.spawn("a", a)
    world.spawn("b", b)
    surw = SURW(random.Random(0))
    Stepper(world.seal()).run(surw)
    assert {obj.name for obj in surw.profile.shared()} == {"written", "both"}
    targets = set()
    for _ in range(50):
        Stepper(world).run(surw)
        targets.add(surw.target.name)
    assert targets == {"written", "both"}
    assert added.name not in targets


def two_objects() -> World:
    """Accesses to the object of interest among many of others."""
    world = World()
    target, noise = Cell(world, "target", 0), [Cell(world, f"noise{i}", 0) for i in range(3)]

    def actor(index: int, accesses: int):
        async def run() -> None:
            for _ in range(accesses):
                await target.write(index)
                for _ in range(index):
                    await noise[index].write(1)

        return run

    for index, accesses in enumerate((1, 2, 3)):
        world.spawn(f"t{index}", actor(index, accesses))
    return world.seal()


def test_orders_of_the_selected_accesses_are_equally_likely() -> None:
    host, surw = Stepper(two_objects()), SURW(random.Random(2))
    host.run(surw)
    orders = [turns for turns, _ in all_turns(counted(1, 2, 3))]
    observed = Counter(
        tuple(step.task for step in host.run(surw).steps() if step.point.object.name == "target")
        for _ in range(EXECUTIONS)
    )
    statistic, freedom = chi_square(observed, dict.fromkeys(orders, 1 / len(orders)))
    assert statistic < chi_square_limit(freedom)


def test_any_interleaving_remains_possible() -> None:
    small = World()
    target, other = Cell(small, "target", 0), Cell(small, "other", 0)

    async def a() -> None:
        await target.write(1)
        await other.write(1)

    for name in "ab":
        small.spawn(name, a)
    host, surw = Stepper(small.seal()), SURW(random.Random(2))
    seen = {tuple(host.run(surw).turns) for _ in range(400)}
    assert seen == {turns for turns, _ in all_turns(small)}


def test_locks_that_tasks_hold_do_not_stop_it() -> None:
    # Who holds a lock that the intended task needs may itself be held in front of an interesting step.
    world = World()
    lock, cell = Mutex(world, "lock"), Cell(world, "cell", 0)

    async def locked() -> None:
        await lock.acquire()
        await cell.write(1)
        await lock.release()
        await cell.write(2)

    for name in "abc":
        world.spawn(name, locked)
    host, surw = Stepper(world.seal()), SURW(random.Random(2))
    executions = [host.run(surw) for _ in range(300)]
    assert all(len(each.turns) == 12 and not each.stuck for each in executions)
    host = Stepper(abba())
    assert any(host.run(surw).stuck for _ in range(100))


def reorder(setters: int, checkers: int = 1, spare: int = 8) -> World:
    """Setters write a, then b; a checker that sees one without the other has found the bug. A main task creates them
    all, with some steps of its own before each."""
    world = World()
    a, b, own = (Cell(world, name, 0) for name in ("a", "b", "own"))
    starts = [Start(world, f"start{i}") for i in range(setters + checkers)]

    async def main() -> None:
        for start in starts:
            for _ in range(spare):
                await own.write(0)
            await start.create()

    def setter(start: Start):
        async def run() -> None:
            await start.begin()
            await a.write(1)
            await b.write(1)

        return run

    def checker(start: Start):
        async def run() -> None:
            await start.begin()
            if await a.read() != await b.read():
                raise Violation("reorder", "a without b")

        return run

    world.spawn("main", main)
    for index, start in enumerate(starts):
        world.spawn(f"t{index}", (setter if index < setters else checker)(start))
    return world.seal()


def schedules_to_bug(world: World, make, trials: int, limit: int) -> float:
    """Mean number of executions to the first bug, `limit` where there is none."""
    host = Stepper(world)

    def first_bug(scheduler: Scheduler) -> int:
        return next((count for count in range(1, limit) if host.run(scheduler).violation), limit)

    return sum(first_bug(make(random.Random(seed))) for seed in range(trials)) / trials


def test_surw_stays_flat_where_others_do_not() -> None:
    # Published means: SURW 7 and 6, PCT 185 and 3005, POS 86 and more than 10,000.
    few, many = reorder(2), reorder(10, 10)
    assert schedules_to_bug(few, SURW, 20, 100) < 20
    assert schedules_to_bug(many, SURW, 20, 100) < 20
    assert schedules_to_bug(many, UniformWalk, 20, 200) < 40
    for make in (POS, lambda rng: PCT(rng, 3)):
        assert schedules_to_bug(many, make, 3, 150) == 150
