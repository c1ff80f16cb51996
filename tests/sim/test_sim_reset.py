"""A reset puts back what the last execution touched, wherever it was cut off."""

from __future__ import annotations

from typing import Any

import pytest
from sim_kit import RandomProgram, RandomWalk

from daxfuzz.sim import Atomic, Cell, Lock, Mutex, RwSemaphore, Shared, SpinLock, Stepper, TrioHost, World


def waiting(obj: Shared) -> Any:
    """What a lock knows beside its state: who is parked in front of it, and under what it was taken."""
    parked = [task.index for task in obj.waiters] if isinstance(obj, Mutex) else []
    return (parked, list(obj.outer)) if isinstance(obj, Lock) else None


@pytest.mark.parametrize("host", [Stepper, TrioHost])
def test_every_execution_starts_in_the_sealed_state(host: Any) -> None:
    dirty = 0
    for seed in range(150 if host is Stepper else 20):
        world = RandomProgram(seed).world
        sealed = world.shared_state()
        runner = host(world)
        length = len(runner.run(RandomWalk(seed)).turns)
        for limit in range(0, length, 3):
            runner.run(RandomWalk(seed), limit=limit)
            dirty += world.shared_state() != sealed
            world.reset()
            assert world.shared_state() == sealed
            assert all(waiting(obj) in (None, ([], [])) for obj in world.objects)
            assert not world.dirty
            world.close()
    assert dirty > 50


def test_only_what_was_touched_is_put_back() -> None:
    world = World()
    restored: list[str] = []

    class Noted(Cell[int]):
        __slots__ = ()

        def restore(self, state: Any) -> None:
            restored.append(self.name)
            super().restore(state)

    class Untracked(Noted):
        __slots__ = ()
        TRACKED = False

    cells = [Noted(world, name, 0) for name in "abc"]
    Untracked(world, "u", 0)

    async def body() -> None:
        await cells[0].read()
        await cells[1].write(1)
        await cells[1].write(2)

    world.spawn("t", body)
    host = Stepper(world.seal())
    host.run(RandomWalk(0))
    assert restored == ["u"]
    host.run(RandomWalk(0))
    assert restored == ["u", "u", "b"]
    assert cells[1].value == 2


def test_a_write_that_does_not_change_the_value_may_be_followed_by_one_that_does() -> None:
    world = World()
    atomic = Atomic(world, "atomic", 1)

    async def body() -> None:
        await atomic.set(1)
        await atomic.add(0)
        await atomic.add_return(4)

    world.spawn("t", body)
    host = Stepper(world.seal())
    for _ in range(3):
        execution = host.run(RandomWalk(0))
        assert [step.value for step in execution.steps()] == [None, None, 5]


@pytest.mark.parametrize("make", [Mutex, SpinLock])
def test_a_subclass_lasts_as_long_as_the_hold(make: Any) -> None:
    world = World()
    one, two = make(world, "one", "c"), make(world, "two", "c")
    rwsem = RwSemaphore(world, "rwsem")
    seen: list[Any] = []

    async def body() -> None:
        task = world.current

        def note() -> None:
            seen.append({lock.name: subclass for lock, subclass in task.subclasses.items()})

        await one.acquire()
        await two.acquire(subclass=1)
        await rwsem.down_read(2)
        note()
        await two.release()
        note()
        await rwsem.up_read()
        await one.release()
        await rwsem.down_write(subclass=3)
        note()
        await rwsem.up_write()
        note()

    world.spawn("t", body)
    Stepper(world.seal()).run(RandomWalk(0))
    assert seen == [{"two": 1, "rwsem": 2}, {"rwsem": 2}, {"rwsem": 3}, {}]


def test_nesting_is_told_once_for_each_lock_held_last_and_always_with_a_subclass() -> None:
    world = World()
    outer, other, inner = (Mutex(world, name) for name in ("outer", "other", "inner"))
    seen: list[tuple[str, str]] = []
    inner.on_nest = lambda lock, task: seen.append((task.held[-2].name, lock.name))

    async def under(lock: Mutex, subclass: int = 0) -> None:
        await lock.acquire()
        await inner.acquire(subclass)
        await inner.release()
        await lock.release()

    async def body() -> None:
        await inner.acquire()
        await inner.release()
        for subclass in (1, 1, 0, 0):
            await under(outer, subclass)
        await under(other)

    world.spawn("t", body)
    host = Stepper(world.seal())
    for _ in range(2):
        seen.clear()
        host.run(RandomWalk(0))
        assert seen == [("outer", "inner")] * 3 + [("other", "inner")]
