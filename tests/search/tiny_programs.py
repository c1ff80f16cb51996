"""Random programs small enough for every interleaving, built to be hard on a search that takes two states for one."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from daxfuzz.sim import (
    Atomic,
    Cell,
    Mutex,
    RwSemaphore,
    Signal,
    Signals,
    TaskState,
    Violation,
    WaitEntry,
    WaitQueueHead,
    World,
    wait_event,
)

Op = Callable[[], Awaitable[Any]]

VALUES: tuple[Any, ...] = (0, 1, True, -1, -2, False)


class TinyProgram:
    """2 or 3 tasks with a few operations each, some of which keep what they have read where nobody can look at it.

    observed: with observers that look at what the step does not touch, and that remember.
    """

    def __init__(self, seed: int, observed: bool = False) -> None:
        self.random = random.Random(seed)
        self.world = World()
        self.cells: list[Cell[Any]] = [Cell(self.world, f"cell{i}", 0) for i in range(3)]
        self.atomic = Atomic(self.world, "atomic")
        self.mutex = Mutex(self.world, "mutex")
        self.rwsem = RwSemaphore(self.world, "rwsem")
        self.queue = WaitQueueHead(self.world, "queue")
        self.signals = Signals(self.world)
        if observed:
            self.observe()
        tasks = self.random.choice([2, 2, 3])
        for index in range(tasks):
            count = self.random.randint(1, 2 if tasks == 3 else 3)
            self.world.spawn(f"t{index}", self.actor([self.op() for _ in range(count)]))
        self.world.seal()

    @staticmethod
    def actor(ops: Iterable[Op]) -> Callable[[], Any]:
        async def run() -> None:
            for op in ops:
                await op()

        return run

    def op(self, depth: int = 0) -> Op:
        kinds = [self.add_two, self.first_true, self.copy, self.store, self.store, self.atomics, self.wait, self.wake]
        if depth == 0:
            kinds += [self.locked, self.locked, self.fail, self.fail, self.signal]
        return self.random.choice(kinds)()

    def cell(self) -> Cell[Any]:
        return self.random.choice(self.cells)

    def store(self) -> Op:
        cell, value = self.cell(), self.random.choice(VALUES)
        return lambda: cell.write(value)

    def add_two(self) -> Op:
        one, other, to = self.cell(), self.cell(), self.cell()

        async def run() -> None:
            # The first value is on the operand stack while the second one is awaited.
            await to.write((await one.read()) - 2 * (await other.read()))

        return run

    def first_true(self) -> Op:
        to, cells = self.cell(), [self.cell() for _ in range(2)]

        async def run() -> None:
            found = iter((5, 6, 7))
            for cell in cells:
                if await cell.read() == 1:
                    next(found)
            await to.write(next(found))

        return run

    def copy(self) -> Op:
        one, to = self.cell(), self.cell()

        async def run() -> None:
            value = await one.read()
            await to.write(value + 10 * isinstance(value, bool))

        return run

    def atomics(self) -> Op:
        atomic, to, n = self.atomic, self.cell(), self.random.choice([-1, 1])

        async def run() -> None:
            await to.write(await atomic.add_return(n))

        return self.random.choice([run, lambda: atomic.add(n), lambda: atomic.add_unless_zero(n)])

    def locked(self) -> Op:
        body = [self.op(1) for _ in range(self.random.randint(0, 1))]
        kind = self.random.choice(["mutex", "read", "write"])

        async def run() -> None:
            if kind == "mutex":
                await self.mutex.acquire()
            elif kind == "read":
                await self.rwsem.down_read()
            else:
                await self.rwsem.down_write()
            for op in body:
                await op()
            if kind == "mutex":
                await self.mutex.release()
            elif kind == "read":
                await self.rwsem.up_read()
            else:
                await self.rwsem.up_write()

        return run

    def wait(self) -> Op:
        cell = self.cell()
        state = self.random.choice([TaskState.INTERRUPTIBLE, TaskState.UNINTERRUPTIBLE])

        async def condition() -> bool:
            return bool(await cell.read())

        return lambda: wait_event(self.queue, WaitEntry(self.world.current), condition, state)

    def wake(self) -> Op:
        return self.queue.wake

    def signal(self) -> Op:
        victim = self.random.randrange(2)
        return lambda: self.signals.send(self.world.tasks[victim], Signal.PENDING)

    def fail(self) -> Op:
        one, other, value = self.cell(), self.cell(), self.random.choice(VALUES)

        async def run() -> None:
            if await one.read() is value and await other.read() is value:
                raise Violation("seen", f"{one.name} and {other.name} are {value!r}", channel=f"{one}{other}{value!r}")

        return run

    def observe(self) -> None:
        """Observers: one that looks elsewhere, one that remembers, and one that does both at the end."""
        watched, looked_at, counted = (self.cell() for _ in range(3))
        bad = self.random.choice(VALUES)
        seen: list[Any] = []

        def elsewhere(old: Any, new: Any) -> None:
            if looked_at.value is bad:
                self.world.defer(Violation("elsewhere", f"{looked_at.name} is {bad!r}"))

        def remember(old: Any, new: Any) -> None:
            if len(seen) < 3:
                seen.append(new)

        def at_end() -> None:
            raise Violation("end", "", channel=f"{seen} {looked_at.value!r}")

        watched.watch = elsewhere
        if counted is watched:
            watched.watch = lambda old, new: (elsewhere(old, new), remember(old, new))[0]
        else:
            counted.watch = remember
        self.world.hooks += [(cell, "watch") for cell in {watched.name: watched, counted.name: counted}.values()]
        self.world.memories["seen"] = lambda: list(seen)
        self.world.on_reset.append(seen.clear)
        self.world.on_end.append(at_end)
