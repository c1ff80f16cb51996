"""CS/circular_buffer: a sender and a receiver that take turns, and count rounds instead of elements."""

from __future__ import annotations

from daxfuzz.bench.schedulers.programs.threads import check, program
from daxfuzz.sim import Cell, Mutex, World

MAXIMUM = 10
ROUNDS = 7


def circular_buffer() -> World:
    """The receiver expects element i in its i-th round, though either may find in a round that it is not its turn."""
    world = World()
    m, send, receive = Mutex(world, "m"), Cell(world, "send", False), Cell(world, "receive", False)
    first, next_, size = Cell(world, "first", 0), Cell(world, "next", 0), Cell(world, "buffer_size", 0)
    buffer = [Cell(world, f"buffer{index}", 0) for index in range(MAXIMUM)]

    async def init() -> None:
        await size.write(MAXIMUM)
        await next_.write(0)
        await first.write(0)
        await send.write(True)
        await receive.write(False)

    async def insert(element: int) -> None:
        if await next_.read() < await size.read() and await size.read() > 0:
            await buffer[await next_.read()].write(element)
            await next_.write((await next_.read() + 1) % await size.read())
            check(await next_.read() < await size.read())

    async def remove() -> int:
        if await next_.read() > 0 and await first.read() < await size.read():
            await first.write(await first.read() + 1)
            return await buffer[await first.read() - 1].read()
        return -1

    async def sender() -> None:
        for element in range(ROUNDS):
            await m.acquire()
            if await send.read():
                await insert(element)
                await send.write(False)
                await receive.write(True)
            await m.release()

    async def receiver() -> None:
        for element in range(ROUNDS):
            await m.acquire()
            if await receive.read():
                check(await remove() == element)
                await receive.write(False)
                await send.write(True)
            await m.release()

    return program(world, [sender, receiver], before=init)
