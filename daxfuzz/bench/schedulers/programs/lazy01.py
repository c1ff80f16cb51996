"""CS/lazy01: a thread that must not run after both others. It is created first."""

from __future__ import annotations

from daxfuzz.bench.schedulers.programs.threads import check, program
from daxfuzz.sim import Actor, Cell, Mutex, World


def lazy01() -> World:
    world = World()
    mutex, data = Mutex(world, "mutex"), Cell(world, "data", 0)

    def add(n: int) -> Actor:
        async def run() -> None:
            await mutex.acquire()
            await data.write(await data.read() + n)
            await mutex.release()

        return run

    async def last() -> None:
        await mutex.acquire()
        check(await data.read() < 3)
        await mutex.release()

    return program(world, [last, add(2), add(1)])
