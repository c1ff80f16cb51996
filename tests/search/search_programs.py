"""Small programs for the tests of schedulers: textbook bugs, and random ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from daxfuzz.sim import (
    Atomic,
    Cell,
    Execution,
    Mutex,
    Scheduler,
    Signal,
    Stepper,
    TaskState,
    Violation,
    WaitEntry,
    WaitQueueHead,
    World,
    wait_event,
)

Factory = Callable[[], World]


class Asking(Scheduler):
    """Takes the turns in `prefix` and notes who could run; then the lowest index."""

    def __init__(self, prefix: tuple[int, ...]) -> None:
        self.prefix = prefix
        self.enabled: list[tuple[int, ...]] = []

    def next_task(self, enabled: Any, current: int) -> int:
        turn = len(self.enabled)
        self.enabled.append(tuple(enabled))
        return self.prefix[turn] if turn < len(self.prefix) else enabled[0]


def all_turns(world: World) -> Iterator[tuple[tuple[int, ...], list[tuple[int, ...]]]]:
    """Every maximal schedule of a program that always ends, with the enabled tasks at each of its turns."""
    pending: list[tuple[int, ...]] = [()]
    while pending:
        prefix = pending.pop()
        asking = Asking(prefix)
        execution = Stepper(world).run(asking)
        turns = tuple(execution.turns)
        yield turns, asking.enabled
        for turn in range(len(prefix), len(turns)):
            pending += [(*turns[:turn], other) for other in asking.enabled[turn] if other != turns[turn]]


def lost_update(tasks: int = 2) -> World:
    """Increments that are not atomic; the end checks the sum."""
    world = World()
    counter = Cell(world, "counter", 0)

    async def increment() -> None:
        value = await counter.read()
        await counter.write(value + 1)

    for index in range(tasks):
        world.spawn("abcdefgh"[index], increment)

    def check() -> None:
        if counter.value != tasks:
            raise Violation("lost-update", f"{counter.value} of {tasks}")

    world.on_end.append(check)
    return world.seal()


def abba() -> World:
    """Two locks taken in opposite orders."""
    world = World()
    first, second = Mutex(world, "first"), Mutex(world, "second")

    def actor(outer: Mutex, inner: Mutex) -> Callable[[], Any]:
        async def run() -> None:
            await outer.acquire()
            await inner.acquire()
            await inner.release()
            await outer.release()

        return run

    world.spawn("a", actor(first, second))
    world.spawn("b", actor(second, first))
    return world.seal()


def lost_wakeup() -> World:
    """A waker that looks for sleepers before it makes their condition true."""
    world = World()
    ready = Atomic(world, "ready")
    queue = WaitQueueHead(world, "queue")

    async def sleeper() -> None:
        async def condition() -> bool:
            return await ready.read() > 0

        await wait_event(queue, WaitEntry(world.current), condition, TaskState.UNINTERRUPTIBLE)

    async def waker() -> None:
        if await queue.active():
            await ready.set(1)
            await queue.wake()
        else:
            await ready.set(1)

    world.spawn("sleeper", sleeper)
    world.spawn("waker", waker)
    return world.seal()


def is_buggy(execution: Execution) -> bool:
    return execution.violation is not None or bool(execution.stuck)


BUGGY: dict[str, Factory] = {"lost_update": lost_update, "abba": abba, "lost_wakeup": lost_wakeup}

Operation = tuple[Any, ...]


def operations(depth: int = 0) -> st.SearchStrategy[Operation]:
    small = st.integers(0, 1)
    plain = [
        st.tuples(st.just("read"), small),
        st.tuples(st.just("write"), small, st.integers(0, 2)),
        st.tuples(st.just("add"), small),
        st.tuples(st.just("unless_zero"), small),
        st.tuples(st.just("wait"), small, st.sampled_from(list(TaskState)[1:])),
        st.tuples(st.just("wake"), small),
        st.tuples(st.just("signal"), st.integers(0, 3), st.sampled_from([Signal.PENDING, Signal.FATAL])),
        st.tuples(st.just("branch"), small, st.integers(0, 2)),
    ]
    if depth < 2:
        plain.append(st.tuples(st.just("locked"), small, st.lists(operations(depth + 1), max_size=3)))
    return st.one_of(plain)


def specs() -> st.SearchStrategy[list[list[Operation]]]:
    """Per task, its operations; possibly none."""
    return st.lists(st.lists(operations(), max_size=5), min_size=1, max_size=4)


def build(spec: list[list[Operation]]) -> World:
    """The program of a spec: two cells, atomics, locks, flags with queues."""
    world = World()
    machine = _Machine(world)
    for index, program in enumerate(spec):
        world.spawn(f"t{index}", machine.actor(program))
    return world.seal()


class _Machine:
    def __init__(self, world: World) -> None:
        self.world = world
        self.cells = [Cell(world, f"cell{i}", 0) for i in range(2)]
        self.atomics = [Atomic(world, f"atomic{i}") for i in range(2)]
        self.locks = [Mutex(world, f"lock{i}") for i in range(2)]
        self.queues = [WaitQueueHead(world, f"queue{i}") for i in range(2)]

    def actor(self, program: list[Operation]) -> Callable[[], Any]:
        async def run() -> None:
            await self.run(program)

        return run

    async def run(self, program: list[Operation]) -> None:
        for name, *arguments in program:
            await getattr(self, name)(*arguments)

    async def read(self, i: int) -> None:
        await self.cells[i].read()

    async def write(self, i: int, value: int) -> None:
        await self.cells[i].write(value)

    async def add(self, i: int) -> None:
        await self.atomics[i].add_return(1)

    async def unless_zero(self, i: int) -> None:
        if await self.atomics[i].add_unless_zero(1):
            await self.cells[i].write(2)

    async def wait(self, i: int, state: TaskState) -> None:
        async def condition() -> bool:
            return await self.cells[i].read() > 0

        await wait_event(self.queues[i], WaitEntry(self.world.current), condition, state)

    async def wake(self, i: int) -> None:
        await self.cells[i].write(1)
        await self.queues[i].wake()

    async def signal(self, target: int, signal: Signal) -> None:
        await self.atomics[0].read()
        self.world.signal(self.world.tasks[target % len(self.world.tasks)], signal)

    async def locked(self, i: int, body: list[Operation]) -> None:
        await self.locks[i].acquire()
        await self.run(body)
        await self.locks[i].release()

    async def branch(self, i: int, value: int) -> None:
        if await self.cells[i].read() == value:
            await self.cells[1 - i].write(value)


def random_turns(world: World, seed: int) -> Execution:
    """One execution under choices that owe nothing to the schedulers under test."""
    rng = random.Random(seed)

    class Choice(Scheduler):
        def next_task(self, enabled: Any, current: int) -> int:
            return rng.choice(enabled)

    return Stepper(world).run(Choice())


def chi_square(observed: dict[Any, int], expected: dict[Any, float]) -> tuple[float, int]:
    """Pearson's statistic of counts against probabilities, and its degrees of freedom."""
    total = sum(observed.values())
    assert not [key for key in observed if not expected.get(key)]
    statistic = sum((observed.get(key, 0) - total * p) ** 2 / (total * p) for key, p in expected.items() if p)
    return statistic, sum(p > 0 for p in expected.values()) - 1


def chi_square_limit(freedom: int, z: float = 3.72) -> float:
    """Exceeded with probability 1e-4 (z of the normal distribution) by chance: Wilson and Hilferty's formula."""
    return freedom * (1 - 2 / (9 * freedom) + z * (2 / (9 * freedom)) ** 0.5) ** 3
