"""CS/deadlock01: two locks, taken in opposite orders."""

from __future__ import annotations

from daxfuzz.bench.schedulers.programs.threads import program
from daxfuzz.sim import Actor, Cell, Mutex, World


def deadlock01() -> World:
    world = World()
    a, b, counter = Mutex(world, "a"), Mutex(world, "b"), Cell(world, "counter", 1)

    def thread(outer: Mutex, inner: Mutex, by: int) -> Actor:
        async def run() -> None:
            await outer.acquire()
            await inner.acquire()
            await counter.write(await counter.read() + by)
            await inner.release()
            await outer.release()

        return run

    return program(world, [thread(a, b, 1), thread(b, a, -1)])
