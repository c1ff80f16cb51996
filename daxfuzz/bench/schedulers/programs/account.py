"""CS/account: who checks the balance expects the wrong sum, and notices once both others are done."""

from __future__ import annotations

from daxfuzz.bench.schedulers.programs.threads import check, program
from daxfuzz.sim import Cell, Mutex, World


def account() -> World:
    world = World()
    m = Mutex(world, "m")
    x, y, z, balance = (Cell(world, name, 0) for name in ("x", "y", "z", "balance"))
    deposit_done, withdraw_done = Cell(world, "deposit_done", False), Cell(world, "withdraw_done", False)

    async def init() -> None:
        await x.write(1)
        await y.write(2)
        await z.write(4)
        await balance.write(await x.read())

    async def deposit() -> None:
        await m.acquire()
        await balance.write(await balance.read() + await y.read())
        await deposit_done.write(True)
        await m.release()

    async def withdraw() -> None:
        await m.acquire()
        await balance.write(await balance.read() - await z.read())
        await withdraw_done.write(True)
        await m.release()

    async def check_result() -> None:
        await m.acquire()
        if await deposit_done.read() and await withdraw_done.read():
            check(await balance.read() == (await x.read() - await y.read()) - await z.read())
        await m.release()

    return program(world, [check_result, deposit, withdraw], before=init)
