from __future__ import annotations

import random

import pytest
from search_programs import lost_update, lost_wakeup

from daxfuzz.search import RFF
from daxfuzz.search.rff import MOST, MOST_ENERGY, Constraint, effects_of
from daxfuzz.sim import Atomic, Cell, Execution, Mutex, Stepper, World


class Fixed(RFF):
    """Has one abstract schedule from the second execution on."""

    def __init__(self, rng: random.Random, *constraints: Constraint) -> None:
        super().__init__(rng)
        self.constraints = constraints

    def _mutate(self, schedule):
        return self.constraints


def reads_from(execution: Execution) -> list[tuple[str, str | None, str]]:
    """Object, who wrote it last and who reads it, for each read of what another task, or nobody, has written."""
    last: dict[str, int] = {}
    found = []
    for step in execution.steps():
        for obj, reads, writes in effects_of(step.point):
            writer = last.get(obj.name)
            if reads and writer != step.task:
                found.append((obj.name, writer, step.task))
            if writes:
                last[obj.name] = step.task
    return found


def setters() -> World:
    """Two tasks that write two cells, one that reads both; each has some steps of its own."""
    world = World()
    a, b = Cell(world, "a", 0), Cell(world, "b", 0)
    own = [Cell(world, f"own{i}", 0) for i in range(3)]

    def setter(index: int):
        async def run() -> None:
            for _ in range(3):
                await own[index].write(1)
            await a.write(1)
            await b.write(1)

        return run

    async def reader() -> None:
        await own[2].write(1)
        await a.read()
        await b.read()

    world.spawn("x", setter(0))
    world.spawn("y", setter(1))
    world.spawn("z", reader)
    return world.seal()


def points(world: World, name: str) -> tuple:
    cell = next(obj for obj in world.objects if obj.name == name)
    assert isinstance(cell, Cell)
    return cell, cell._write, cell._read


@pytest.mark.parametrize(("initial", "positive"), [(True, True), (True, False), (False, True)])
def test_a_constraint_is_kept(initial: bool, positive: bool) -> None:
    world = setters()
    cell, write, read = points(world, "b")
    rff = Fixed(random.Random(1), Constraint(cell, None if initial else write, read, positive))
    host = Stepper(world)
    host.run(rff)
    for _ in range(200):
        found = [writer is None for name, writer, _ in reads_from(host.run(rff)) if name == "b"]
        assert found == [initial is positive]


def test_a_read_waits_as_long_as_it_would_read_from_what_it_must_not() -> None:
    world = World()
    counter = Atomic(world, "counter")

    async def writer() -> None:
        await counter.set(1)
        await counter.add(1)

    async def reader() -> None:
        await counter.read()

    world.spawn("writer", writer)
    world.spawn("reader", reader)
    host = Stepper(world.seal())
    rff = Fixed(random.Random(1), Constraint(counter, counter._write, counter._read, False))
    host.run(rff)
    values = {next(step.value for step in host.run(rff).steps() if step.task) for _ in range(50)}
    assert values == {0, 2}


def test_two_constraints_are_kept_together() -> None:
    # a from a writer and b from nobody: between the two writes of the first writer.
    world = setters()
    (a, write, read_a), (b, _, read_b) = points(world, "a"), points(world, "b")
    rff = Fixed(random.Random(1), Constraint(a, write, read_a, True), Constraint(b, None, read_b, True))
    host = Stepper(world)
    host.run(rff)
    for _ in range(200):
        found = [(name, writer is None) for name, writer, _ in reads_from(host.run(rff))]
        assert found == [("a", False), ("b", True)]


def test_what_cannot_be_kept_stops_nobody() -> None:
    world = setters()
    (a, write, read_a), (b, _, _) = points(world, "a"), points(world, "b")
    rff = Fixed(random.Random(1), Constraint(a, write, read_a, False), Constraint(a, None, read_a, False))
    host = Stepper(world)
    assert all(len(host.run(rff).turns) == 13 for _ in range(50))
    assert b.value == 1


def test_the_rest_of_the_schedule_is_free() -> None:
    world = setters()
    cell, write, read = points(world, "b")
    rff = Fixed(random.Random(1), Constraint(cell, write, read, True))
    host = Stepper(world)
    assert len({tuple(host.run(rff).turns) for _ in range(200)}) > 100
    assert {writer for _ in range(100) for name, writer, _ in reads_from(host.run(rff)) if name == "b"} == {0, 1}


def test_pairs_are_what_tasks_read_from_others() -> None:
    world = setters()
    host, rff = Stepper(world), RFF(random.Random(3))
    seen: set[tuple[str, bool]] = set()
    for _ in range(200):
        execution = host.run(rff)
        expected = {(name, writer is None) for name, writer, _ in reads_from(execution)}
        assert {(obj.name, source is None) for obj, source, _ in rff._read} == expected
        seen |= expected
    assert seen == {("a", True), ("a", False), ("b", True), ("b", False)}
    # Each entry has shown a pair that none before it had.
    union = 0
    for entry in rff.corpus:
        assert entry.pairs & ~union
        union |= entry.pairs
    assert 1 < len(rff.corpus) <= 4
    assert union.bit_count() == len(rff.pairs) == 4


def test_schedules_stay_small_and_are_mutations_of_the_corpus() -> None:
    host, rff = Stepper(setters()), RFF(random.Random(3))
    for _ in range(300):
        host.run(rff)
        assert len(rff.schedule) <= MOST
        near = [len(set(entry.schedule) ^ set(rff.schedule)) for entry in rff.corpus]
        # One more, one less, or one for another.
        assert not rff.corpus or min(near) <= 2


def test_energy_doubles_up_to_a_limit_and_the_usual_gets_none() -> None:
    host, rff = Stepper(setters()), RFF(random.Random(3))
    for _ in range(50):
        host.run(rff)
    rare, usual = rff.corpus[0], rff.corpus[1]
    rff._executions = 12
    rff._frequency = {rare.pairs: 1, usual.pairs: 9, rare.pairs + usual.pairs: 2}
    energies = []
    for rare.chosen in range(7):
        energies.append(rff._energy_of(rare))
    assert energies == [1, 2, 4, 8, 16, 16, 16]
    assert energies[-1] == MOST_ENERGY
    # Nine of 12 executions where three kinds make four the mean.
    assert rff._energy_of(usual) == 0


def test_what_only_one_task_uses_is_not_constrained() -> None:
    world = World()
    shared, own, read_only = (Cell(world, name, 0) for name in ("shared", "own", "read_only"))
    lock, counter = Mutex(world, "lock"), Atomic(world, "counter")

    async def a() -> None:
        await own.write(1)
        await own.read()
        await read_only.read()
        await counter.add(1)
        await lock.acquire()
        await shared.write(1)
        await lock.release()

    async def b() -> None:
        await read_only.read()
        await counter.add(1)
        await lock.acquire()
        await shared.read()
        await lock.release()

    world.spawn("a", a)
    world.spawn("b", b)
    host, rff = Stepper(world.seal()), RFF(random.Random(0))
    named = set()
    for _ in range(200):
        host.run(rff)
        named |= {constraint.obj.name for constraint in rff.schedule}
    assert named == {"shared", "lock"}


def test_another_world_is_another_corpus() -> None:
    rff = RFF(random.Random(1))
    for factory in (lost_update, lost_wakeup):
        host = Stepper(factory())
        host.run(rff)
        assert rff.schedule == ()
        for _ in range(20):
            host.run(rff)
        names = {obj.name for obj in host.world.objects}
        assert all(obj.name in names for obj, _, _ in rff.pairs)
