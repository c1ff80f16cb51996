"""CS/queue: a producer and a consumer that take turns, and count rounds instead of elements."""

from __future__ import annotations

from daxfuzz.bench.schedulers.programs.threads import check, program
from daxfuzz.sim import Cell, Mutex, World

SIZE = 20


def queue() -> World:
    """The consumer expects in its i-th round what the producer stored in its i-th, though either may skip rounds.

    Known deviation: the C program writes one element past its array when it wraps around, which no run here reaches:
    no more than SIZE elements are ever put in.
    """
    world = World()
    m, enqueue_flag, dequeue_flag = Mutex(world, "m"), Cell(world, "enqueue", False), Cell(world, "dequeue", False)
    head, tail, amount = Cell(world, "head", 0), Cell(world, "tail", 0), Cell(world, "amount", 0)
    element = [Cell(world, f"element{index}", 0) for index in range(SIZE)]
    stored = [Cell(world, f"stored{index}", 0) for index in range(SIZE)]

    async def init() -> None:
        await enqueue_flag.write(True)
        await dequeue_flag.write(False)
        for each in (head, tail, amount):
            await each.write(0)
        check(await head.read() == await tail.read())

    async def advance(end: Cell[int]) -> None:
        if await end.read() == SIZE:
            await end.write(1)
        else:
            await end.write(await end.read() + 1)

    async def enqueue(value: int) -> None:
        await element[await tail.read()].write(value)
        await amount.write(await amount.read() + 1)
        await advance(tail)

    async def dequeue() -> int:
        value = await element[await head.read()].read()
        await amount.write(await amount.read() - 1)
        await advance(head)
        return value

    async def producer() -> None:
        value = 0
        await m.acquire()
        await enqueue(value)
        await stored[0].write(value)
        check(await head.read() != await tail.read())
        await m.release()
        for index in range(1, SIZE):
            await m.acquire()
            if await enqueue_flag.read():
                value += 1
                await enqueue(value)
                await stored[index].write(value)
                await enqueue_flag.write(False)
                await dequeue_flag.write(True)
            await m.release()

    async def consumer() -> None:
        for index in range(SIZE):
            await m.acquire()
            if await dequeue_flag.read():
                check(await dequeue() == await stored[index].read())
                await dequeue_flag.write(False)
                await enqueue_flag.write(True)
            await m.release()

    return program(world, [producer, consumer], before=init)
