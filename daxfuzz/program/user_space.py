"""Where a task is between two calls."""

from __future__ import annotations

import types
from collections.abc import Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim import Access, Point, Shared

if TYPE_CHECKING:
    from daxfuzz.sim import Task, World


class Birth(Shared):
    """The tasks of a process that is not there before somebody forks it.

    stage: 0 not there, 1 being forked, 2 running.
    """

    __slots__ = ("_begin", "_claim", "_wake", "stage", "tasks")
    GUARDED = ("stage",)

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.stage = 0
        self.tasks: list[Task] = []
        self._claim = self.point(Access.UPDATE, "copy_process")
        self._wake = self.point(Access.WAKE, "wake_up_new_task")
        self._begin = self.point(Access.SLEEP, "ret_from_fork")

    @types.coroutine
    def wait(self) -> Generator[Point, None, None]:
        """A task of the process: its first step comes after the fork."""
        self.world.block(self.world.current, self)
        yield self._begin

    @types.coroutine
    def claim(self) -> Generator[Point, None, bool]:
        """Whether the caller is the one to fork it."""
        yield self._claim
        mine = self.stage == 0
        if mine:
            self.stage = 1
        self.log.append(mine)
        return mine

    @types.coroutine
    def end(self, started: bool) -> Generator[Point, None, None]:
        """The fork has worked and all tasks of the process can run, or it has failed."""
        yield self._wake
        self.stage = 2 if started else 0
        if started:
            for task in self.tasks:
                self.world.enable(task)

    def state(self) -> Hashable:
        return self.stage

    def restore(self, state: Any) -> None:
        self.stage = state


class UserSpace(Shared):
    """One task's user space. Touches nothing that others see: a task rests here until it gets the turn to call."""

    __slots__ = ("_call",)
    TRACKED = True

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._call = self.point(Access.READ, "call")

    @types.coroutine
    def call(self) -> Generator[Point, None, None]:
        """The next call begins with this step."""
        if not self.world.goes_on(self._call):
            yield self._call

    def state(self) -> Hashable:
        return ()

    def restore(self, state: Any) -> None:
        return
