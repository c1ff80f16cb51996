"""Signals as steps of their senders."""

from __future__ import annotations

import types
from collections.abc import Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim.point import Access, Point
from daxfuzz.sim.shared import Shared
from daxfuzz.sim.task import Signal, Task

if TYPE_CHECKING:
    from daxfuzz.sim.world import World


class Signals(Shared):
    """What is pending for each task. The signals themselves live in the tasks, where their sleeps look at them.

    A task may look at its own in any step, so sending one is a wide step.
    """

    TRACKED = True

    __slots__ = ("_send",)

    def __init__(self, world: World, name: str = "signals") -> None:
        super().__init__(world, name)
        self._send = self.point(Access.WAKE, "signal", wide=True)

    @types.coroutine
    def send(self, task: Task, signal: Signal) -> Generator[Point, None, None]:
        """kill(2): mark the signal pending and end a sleep that it interrupts."""
        yield self._send
        self.world.signal(task, signal)

    def state(self) -> Hashable:
        return tuple(task.signal for task in self.world.tasks)

    def restore(self, state: Any) -> None:
        # Tasks are reset with the world.
        return
