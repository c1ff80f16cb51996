"""Pins against truncate in miniature, once on daxfuzz.sim and once in Promela, step by step the same.

Tasks take references to the one page of a file and drop them, each by a call of its own; others truncate the file: they
unmap the page, wait while it looks pinned, and free its block. A page looks pinned from `bias` references on, however
they came about (GUP_PIN_COUNTING_BIAS). The end of the wait is what goes wrong: see :class:`Wake`.

``pin_truncate.pml`` beside this file is the same program for SPIN, with one statement for each point here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from daxfuzz.sim import (
    Actor,
    Atomic,
    Cell,
    Mutex,
    SpinLock,
    TaskState,
    Violation,
    WaitEntry,
    WaitQueueHead,
    World,
    wait_event,
)


class Wake(Enum):
    """Who wakes the waiters when a reference is dropped."""

    UNPIN = 0
    """Who drops a pin and leaves less than `bias` references (patch 02 of series-v1). Nobody who drops a plain
    reference: enough of those look like a pin whose end wakes nobody."""

    THRESHOLD = 1
    """Whoever takes the count below `bias`, its repair."""


@dataclass(frozen=True, slots=True)
class PinTruncate:
    """One such program.

    pinners: tasks that take `gets` plain references and then `pins` pins each, and drop what they got.
    truncators: tasks that truncate the file once each.
    recheck: whether GUP-fast looks at the pte again after it took its reference, and backs out if it is gone.
    """

    pinners: int
    gets: int
    pins: int
    truncators: int
    bias: int
    wake: Wake
    recheck: bool = True

    def world(self) -> World:
        """The program, sealed. Its findings: ``lost-wakeup``, and ``dma-corruption``, which does not end it."""
        return _Model(self).world.seal()


class _Model:
    """The objects and tasks of a program.

    Task.live is set wherever what comes next does not depend on what the accesses so far have returned, but for what
    is said there and where the task stands: the Promela has the same values in its variables.
    """

    def __init__(self, program: PinTruncate) -> None:
        self.program = program
        self.world = world = World()
        self.count = Atomic(world, "count", 1)
        self.mapped = Cell(world, "mapped", True)
        self.freed = Cell(world, "freed", False)
        self.inode_lock = Mutex(world, "inode_lock")
        self.ptl = SpinLock(world, "ptl")
        self.queue = WaitQueueHead(world, "queue")
        for index in range(program.pinners):
            world.spawn(f"pinner{index}", self._pinner(Cell(world, f"user{index}", None)))
        for index in range(program.truncators):
            world.spawn(f"truncator{index}", self._truncate)
        world.on_end.append(self._judge)

    def _pinner(self, user: Cell[None]) -> Actor:
        program = self.program

        async def run() -> None:
            task = self.world.current
            gets = pins = 0
            for _ in range(program.gets):
                await user.read()
                gets += await self.get_user_pages()
                task.operation += 1
                task.live = (gets, pins)
            for _ in range(program.pins):
                await user.read()
                pins += await self.pin_user_pages_fast()
                task.operation += 1
                task.live = (gets, pins)
            while gets or pins:
                await user.read()
                if gets:
                    gets -= 1
                    await self.put(1)
                else:
                    pins -= 1
                    await self.put(program.bias)
                task.live = (gets, pins)
            await user.read()

        return run

    async def get_user_pages(self) -> bool:
        """A plain reference, by the page table that its lock keeps as it is."""
        await self.ptl.acquire()
        if mapped := await self.mapped.read():
            await self.count.add(1)
        await self.ptl.release()
        return mapped

    async def pin_user_pages_fast(self) -> bool:
        """A pin, without a lock, and DMA by it."""
        if not await self.mapped.read():
            return False
        await self.count.add(self.program.bias)
        if self.program.recheck and not await self.mapped.read():
            await self.put(self.program.bias)
            return False
        if await self.freed.read():
            self.world.defer(Violation("dma-corruption", "DMA by a pin into a block that was free"))
        return True

    async def put(self, references: int) -> None:
        """Drop a pin or a plain reference."""
        bias = self.program.bias
        left = await self.count.add_return(-references)
        if self.program.wake is Wake.UNPIN:
            wakes = references == bias and left < bias
        else:
            wakes = left < bias <= left + references
        if wakes and await self.queue.active():
            await self.queue.wake()

    async def _truncate(self) -> None:
        task = self.world.current
        await self.inode_lock.acquire()
        while True:
            task.live = ()
            await self.ptl.acquire()
            await self.mapped.write(False)
            await self.ptl.release()
            if await self.is_idle():
                break
            await wait_event(self.queue, WaitEntry(task), self.is_idle, TaskState.UNINTERRUPTIBLE, self._sleep_unlocked)
        await self.freed.write(True)
        await self.inode_lock.release()

    async def is_idle(self) -> bool:
        """Whether there are fewer than `bias` references (not page_maybe_dma_pinned)."""
        idle = await self.count.read() < self.program.bias
        self.world.current.live = ()
        return idle

    async def _sleep_unlocked(self) -> None:
        await self.inode_lock.release()
        await self.queue.schedule()
        await self.inode_lock.acquire()
        self.world.current.live = ()

    def _judge(self) -> None:
        stuck = [task.name for task in self.world.tasks if task.point is not None]
        if stuck and not self.world.enabled:
            raise Violation("lost-wakeup", "nobody is left who could wake them", tasks=tuple(stuck))
