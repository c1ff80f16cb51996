"""CS/carter01: two classes of users of one lock, which the first of a class takes and the last gives back."""

from __future__ import annotations

from daxfuzz.bench.schedulers.programs.threads import program
from daxfuzz.sim import Actor, Cell, Mutex, World


def carter01() -> World:
    """The bug is a deadlock: one class holds m and waits for l, the other holds l and waits for m."""
    world = World()
    m, l = Mutex(world, "m"), Mutex(world, "l")  # noqa: E741

    def user(count: Cell[int]) -> Actor:
        async def run() -> None:
            await m.acquire()
            await count.write(await count.read() + 1)
            if await count.read() == 1:
                await l.acquire()
            await m.release()
            await m.acquire()
            await count.write(await count.read() - 1)
            if await count.read() == 0:
                await l.release()
            await m.release()

        return run

    async def idle() -> None:
        pass

    return program(world, [user(Cell(world, "A", 0)), user(Cell(world, "B", 0)), idle, idle])
