"""Chess/WorkStealQueue: Cilk's THE queue with a push that leaves no spare element between head and tail."""

from __future__ import annotations

from daxfuzz.bench.schedulers.programs.threads import check, program
from daxfuzz.sim import Atomic, Cell, Mutex, World

ITEMS = 4
STEALS = 2
SIZE = 2


class WorkStealQueue:
    """head, tail and mask are shared; only the owner pushes and pops, at the tail. Values are item numbers."""

    def __init__(self, world: World) -> None:
        self.lock = Mutex(world, "lock")
        self.head, self.tail = Atomic(world, "head"), Atomic(world, "tail")
        self.mask = Cell(world, "mask", SIZE - 1)
        # One array per size that it can grow to.
        self.arrays = [
            [Cell(world, f"elems{size}.{i}", -1) for i in range(size)] for size in (SIZE, 2 * SIZE, 4 * SIZE)
        ]
        self.elems = Cell(world, "elems", 0)

    async def slot(self, index: int) -> Cell[int]:
        """Where an index lies in the present array."""
        return self.arrays[await self.elems.read()][index & await self.mask.read()]

    async def steal(self) -> int | None:
        await self.lock.acquire()
        head = await self.head.read()
        await self.head.set(head + 1)
        found = None
        if head < await self.tail.read():
            found = await (await self.slot(head)).read()
        else:
            await self.head.set(head)
        await self.lock.release()
        return found

    async def pop(self) -> int | None:
        tail = await self.tail.read() - 1
        await self.tail.set(tail)
        if await self.head.read() <= tail:
            return await (await self.slot(tail)).read()
        await self.tail.set(tail + 1)
        return await self.sync_pop()

    async def sync_pop(self) -> int | None:
        await self.lock.acquire()
        tail = await self.tail.read() - 1
        await self.tail.set(tail)
        found = None
        if await self.head.read() <= tail:
            found = await (await self.slot(tail)).read()
        else:
            await self.tail.set(tail + 1)
        if await self.head.read() > tail:
            await self.head.set(0)
            await self.tail.set(0)
            found = None
        await self.lock.release()
        return found

    async def push(self, item: int) -> None:
        tail = await self.tail.read()
        # The bug: without the + 1 the element that a thief is about to read would be left alone.
        if tail < await self.head.read() + await self.mask.read() + 1:
            await (await self.slot(tail)).write(item)
            await self.tail.set(tail + 1)
        else:
            await self.sync_push(item)

    async def sync_push(self, item: int) -> None:
        await self.lock.acquire()
        head = await self.head.read()
        count = await self.tail.read() - head
        mask = await self.mask.read()
        head &= mask
        await self.head.set(head)
        await self.tail.set(head + count)
        if count >= mask:
            await self.grow(head, count)
        check(count < await self.mask.read())
        tail = await self.tail.read()
        await (await self.slot(tail)).write(item)
        await self.tail.set(tail + 1)
        await self.lock.release()

    async def grow(self, head: int, count: int) -> None:
        old = await self.elems.read()
        for i in range(count):
            value = await (await self.slot(head + i)).read()
            await self.arrays[old + 1][i].write(value)
        await self.elems.write(old + 1)
        await self.mask.write(len(self.arrays[old + 1]) - 1)
        await self.head.set(0)
        await self.tail.set(count)


def work_steal_queue() -> World:
    """A thief and an owner; each item must be worked on once."""
    world = World()
    queue = WorkStealQueue(world)
    items = [Cell(world, f"item{index}", 0) for index in range(ITEMS)]

    async def operate(item: int | None) -> None:
        if item is not None:
            # The C program would follow a pointer that nobody has set.
            check(item >= 0)
            await items[item].write(await items[item].read() + 1)

    async def thief() -> None:
        for _ in range(STEALS):
            await operate(await queue.steal())

    async def owner() -> None:
        for index in range(0, ITEMS, 2):
            await queue.push(index)
            await queue.push(index + 1)
            await operate(await queue.pop())
        for _ in range(ITEMS // 2):
            await operate(await queue.pop())

    world.on_end.append(lambda: check(all(item.value == 1 for item in items)))
    return program(world, [thief, owner])
