"""Programs of at most 12 steps, of which all interleavings are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from daxfuzz.bench.schedulers.programs.threads import check, program
from daxfuzz.sim import Actor, Atomic, Cell, Mutex, World

LIMIT = 12
"""Steps."""


def lost_update(tasks: int, before: int = 0, after: int = 0) -> World:
    """Increments that are not atomic.

    before, after: private steps of the first task before its increment, and of the others after theirs.
    """
    world = World()
    counter = Cell(world, "counter", 0)
    own = [Cell(world, f"own{index}", 0) for index in range(tasks)]

    def increment(index: int) -> Actor:
        async def run() -> None:
            for _ in range(0 if index else before):
                await own[index].read()
            await counter.write(await counter.read() + 1)
            for _ in range(after if index else 0):
                await own[index].read()

        return run

    for index in range(tasks):
        world.spawn("abc"[index], increment(index))
    world.on_end.append(lambda: check(counter.value == tasks))
    return world.seal()


def message() -> World:
    """A reader that sees the flag and not the data, which are written in the wrong order."""
    world = World()
    data, flag = Cell(world, "data", 0), Cell(world, "flag", 0)
    seen: list[int] = []
    world.on_reset.append(seen.clear)

    async def write() -> None:
        await flag.write(1)
        await data.write(1)

    async def read() -> None:
        seen.append(await flag.read())
        seen.append(await data.read())

    world.spawn("writer", write)
    world.spawn("reader", read)
    world.on_end.append(lambda: check(seen != [1, 0]))
    return world.seal()


def stores() -> World:
    """Writers of one variable after none, one and two increments that commute. The bug: they write in turn."""
    world = World()
    count, variable = Atomic(world, "count"), Cell(world, "variable", 0)
    order: list[int] = []
    variable.watch = lambda _, new: order.append(new)
    world.on_reset.append(order.clear)

    def writer(value: int) -> Actor:
        async def run() -> None:
            for _ in range(value):
                await count.add(1)
            await variable.write(value)

        return run

    for value in range(3):
        world.spawn(f"writer{value}", writer(value))
    world.on_end.append(lambda: check(order != [0, 1, 2]))
    return world.seal()


def opposite_locks() -> World:
    """Two locks taken in opposite orders: a deadlock."""
    world = World()
    first, second = Mutex(world, "first"), Mutex(world, "second")

    def thread(outer: Mutex, inner: Mutex) -> Actor:
        async def run() -> None:
            await outer.acquire()
            await inner.acquire()
            await inner.release()
            await outer.release()

        return run

    world.spawn("a", thread(first, second))
    world.spawn("b", thread(second, first))
    return world.seal()


def created() -> World:
    """Two threads that main creates, of which the first one is to be late."""
    world = World()
    variable = Cell(world, "variable", 0)

    async def first() -> None:
        await variable.write(1)

    async def second() -> None:
        await variable.write(2)

    world.on_end.append(lambda: check(variable.value == 2))
    return program(world, [first, second], local_steps=1)


SMALL: Mapping[str, Callable[[], World]] = {
    "lost-update": partial(lost_update, 2),
    "lost-update-of-three": partial(lost_update, 3),
    "late-lost-update": partial(lost_update, 2, 4, 4),
    "message": message,
    "stores": stores,
    "opposite-locks": opposite_locks,
    "created": created,
}
