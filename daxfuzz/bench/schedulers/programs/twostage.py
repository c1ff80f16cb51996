"""CS/twostage: two values with a lock each, of which a reader may see one updated and the other not."""

from __future__ import annotations

from daxfuzz.bench.schedulers.programs.lock_pointer import LockPointer
from daxfuzz.bench.schedulers.programs.threads import CHECKED_SPAWN, check, program
from daxfuzz.sim import Cell, World


def twostage(writers: int, readers: int) -> World:
    """The bug needs a reader that comes while one writer is between its two locks and none has got further."""
    world = World()
    data1, data2 = Cell(world, "data1Value", 0), Cell(world, "data2Value", 0)
    lock1, lock2 = LockPointer(world, "data1Lock"), LockPointer(world, "data2Lock")

    async def init() -> None:
        await lock1.init()
        await lock2.init()

    async def write() -> None:
        await lock1.acquire()
        await data1.write(1)
        await lock1.release()
        await lock2.acquire()
        await data2.write(await data1.read() + 1)
        await lock2.release()

    async def read() -> None:
        await lock1.acquire()
        if await data1.read() == 0:
            await lock1.release()
            return
        first = await data1.read()
        await lock1.release()
        await lock2.acquire()
        second = await data2.read()
        await lock2.release()
        check(second == first + 1)

    return program(world, [write] * writers + [read] * readers, CHECKED_SPAWN, init)
