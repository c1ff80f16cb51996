"""Threads as C programs have them: main creates them, one after the other."""

from __future__ import annotations

import types
from collections.abc import Generator, Hashable, Sequence
from typing import Any

from daxfuzz.sim import Access, Actor, Cell, Point, Shared, Task, Violation, World

CHECKED_SPAWN = 8
"""Steps of main on its own variables for each call on a thread, where loops create and join and check for errors."""


class Thread(Shared):
    """A thread, which can begin once it has been created.

    All tasks exist from the start, so one that is not created yet is blocked in front of its first step. Where that
    step comes is up to the scheduler: to begin is a step, as it is under tools that intercept pthread_create.
    """

    __slots__ = ("_begin", "_create", "created", "waiting")
    GUARDED = ("created", "waiting")
    ARRIVAL = True
    TRACKED = True

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.created = False
        self.waiting: Task | None = None
        self._create = self.point(Access.WAKE, "pthread_create")
        self._begin = self.point(Access.SLEEP, "begin")

    @types.coroutine
    def create(self) -> Generator[Point, None, None]:
        """pthread_create"""
        yield self._create
        self.created = True
        self.touch()
        if self.waiting is not None:
            self.world.enable(self.waiting)

    @types.coroutine
    def begin(self) -> Generator[Point, None, None]:
        """The first step of the thread itself, to be awaited before anything else."""
        self.waiting = self.world.current
        self.world.block(self.waiting, self)
        yield self._begin

    def state(self) -> Hashable:
        return self.created

    def restore(self, state: Any) -> None:
        self.created = state


def program(world: World, threads: Sequence[Actor], local_steps: int = 0, before: Actor | None = None) -> World:
    """Seal a world with a main that runs `before`, creates the threads in their order, and joins them.

    local_steps: of main on its own variables, in front of each thread that it creates or joins.

    Known deviation: a join is one more such step and waits for nothing, since nobody could see that it does. What main
    has yet to do counts for schedulers that weigh threads by it.
    """
    local = Cell(world, "local", 0)
    handles = [Thread(world, f"thread{index}") for index in range(len(threads))]

    async def main() -> None:
        if before is not None:
            await before()
        for handle in handles:
            for _ in range(local_steps):
                await local.read()
            await handle.create()
        for _ in handles:
            for _ in range(local_steps + 1):
                await local.read()

    world.spawn("main", main)
    for handle, body in zip(handles, threads, strict=True):
        world.spawn(handle.name, _actor(handle, body))
    return world.seal()


def _actor(handle: Thread, body: Actor) -> Actor:
    async def run() -> None:
        await handle.begin()
        await body()

    return run


def check(condition: bool) -> None:
    """assert(3): the bug that the schedulers look for."""
    if not condition:
        raise Violation("assertion", "the bug of the program")
