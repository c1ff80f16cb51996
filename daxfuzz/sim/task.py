"""Tasks: one thread of the simulated system each, with its scheduling state."""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daxfuzz.sim.locks import Lock
    from daxfuzz.sim.point import Point
    from daxfuzz.sim.shared import Shared

Actor = Callable[[], Coroutine[Any, None, None]]


class TaskState(IntEnum):
    """Linux's task states, as far as wake-ups and signals can tell them apart."""

    RUNNING = 0
    INTERRUPTIBLE = 1
    KILLABLE = 2
    UNINTERRUPTIBLE = 3


class Signal(IntEnum):
    """What is pending for a task. A fatal signal interrupts killable sleeps, too."""

    NONE = 0
    PENDING = 1
    FATAL = 2


class Task:
    """One thread. Reused by all executions of its world; :meth:`reset` starts it afresh.

    index: position in ``world.tasks``; schedules and traces name tasks by it.
    point: the access it makes at its next turn; None once it has ended.
    held: locks it holds, in the order of acquisition.
    atomic: for how many reasons it must not sleep, interrupts that are off apart: spinlocks that it holds, and read
        sections of RCU domains that are atomic (Linux: preempt_count).
    subclasses: of those that it holds with a subclass other than 0, which one.
    blocked_on: the object that keeps it from running, None while it can run.
    asleep: it has given up the processor in ``schedule`` and waits for a wake-up.
    killable: it waits for a lock that a fatal signal lets it give up.
    operation: position of the call it executes in its program; kept by whoever runs the program.
    notes: of calls that forget when they return, for an exhaustive search (see search.forgetful), which clears them.
    live: set by its actor where what it goes on with depends on these values and on nothing that was before, such as
        between two calls, or at the head of a loop. An exhaustive search takes note and sets it to None.
    """

    __slots__ = (
        "actor",
        "asleep",
        "atomic",
        "blocked_on",
        "coroutine",
        "held",
        "index",
        "irq_depth",
        "killable",
        "live",
        "name",
        "notes",
        "operation",
        "point",
        "runnable",
        "send",
        "signal",
        "state",
        "subclasses",
    )

    send: Callable[[None], Point]

    def __init__(self, index: int, name: str, actor: Actor) -> None:
        self.index = index
        self.name = name
        self.actor = actor
        self.held: list[Lock] = []
        self.notes: list[Any] = []
        self.subclasses: dict[Lock, int] = {}
        self.reset()

    def reset(self) -> None:
        """Back to the state before the first point."""
        self.coroutine: Coroutine[Any, None, None] | None = None
        self.point: Point | None = None
        self.runnable = False
        self.blocked_on: Shared | None = None
        self.asleep = False
        self.state = TaskState.RUNNING
        self.signal = Signal.NONE
        self.killable = False
        self.irq_depth = 0
        self.atomic = 0
        self.operation = -1
        self.live: Any = None
        self.held.clear()
        self.notes.clear()
        self.subclasses.clear()

    def signal_pending(self, state: TaskState) -> bool:
        """Whether a sleep in `state` would be interrupted now (Linux: signal_pending_state)."""
        if state is TaskState.INTERRUPTIBLE:
            return self.signal is not Signal.NONE
        return state is TaskState.KILLABLE and self.signal is Signal.FATAL

    def frames(self) -> list[types.CodeType]:
        """Code objects of the functions the parked task is in, outermost first, primitives included."""
        found = []
        awaited: Any = self.coroutine
        while awaited is not None:
            if isinstance(awaited, types.CoroutineType):
                found.append(awaited.cr_code)
                awaited = awaited.cr_await
            elif isinstance(awaited, types.GeneratorType):
                found.append(awaited.gi_code)
                awaited = awaited.gi_yieldfrom
            else:
                break
        return found

    def __repr__(self) -> str:
        return f"<Task {self.index} {self.name}>"
