"""CS/wronglock: one value that is protected by one lock here and by another one there."""

from __future__ import annotations

from daxfuzz.bench.schedulers.programs.lock_pointer import LockPointer
from daxfuzz.bench.schedulers.programs.threads import CHECKED_SPAWN, check, program
from daxfuzz.sim import Cell, World


def wronglock(ones: int, others: int) -> World:
    world = World()
    data = Cell(world, "dataValue", 0)
    data_lock, this_lock = LockPointer(world, "dataLock"), LockPointer(world, "thisLock")

    async def init() -> None:
        await data_lock.init()
        await this_lock.init()

    async def one() -> None:
        await data_lock.acquire()
        before = await data.read()
        await data.write(await data.read() + 1)
        check(await data.read() == before + 1)
        await data_lock.release()

    async def other() -> None:
        await this_lock.acquire()
        await data.write(await data.read() + 1)
        await this_lock.release()

    return program(world, [one] * ones + [other] * others, CHECKED_SPAWN, init)
