"""CS/token_ring: three values passed around, equal in the end only if the threads run in the order of the ring."""

from __future__ import annotations

from daxfuzz.bench.schedulers.programs.threads import check, program
from daxfuzz.sim import Actor, Cell, Mutex, World


def token_ring() -> World:
    world = World()
    mutex = Mutex(world, "mutex")
    x1, x2, x3 = Cell(world, "x1", 1), Cell(world, "x2", 2), Cell(world, "x3", 1)
    flags = [Cell(world, f"flag{index}", False) for index in (1, 2, 3)]

    def passes(source: Cell[int], to: Cell[int], by: int, flag: Cell[bool]) -> Actor:
        async def run() -> None:
            await mutex.acquire()
            await to.write((await source.read() + by) % 4)
            await flag.write(True)
            await mutex.release()

        return run

    async def checks() -> None:
        await mutex.acquire()
        if await flags[0].read() and await flags[1].read() and await flags[2].read():
            check(await x1.read() == await x2.read() and await x2.read() == await x3.read())
        await mutex.release()

    ring = [passes(x3, x1, 1, flags[0]), passes(x1, x2, 0, flags[1]), passes(x2, x3, 0, flags[2])]
    return program(world, [*ring, checks])
