"""What a task is up to between two steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from daxfuzz.program.user_space import UserSpace
from daxfuzz.sim import PercpuRwSemaphore, RwSemaphore, Shared, WaitQueueHead
from daxfuzz.triage.trace.step import Holding, Place, TaskView

if TYPE_CHECKING:
    from daxfuzz.sim import Lock, Task
    from daxfuzz.triage.trace.names import Names


def view_of(task: Task, calls: Sequence[str], begun: int, stack: tuple[Place, ...], names: Names) -> TaskView:
    """A task as it is now.

    calls: all that its program has; begun: how many of them it has begun; stack: where it is.
    """
    call = calls[begun - 1] if begun else ""
    if task.point is None:
        return TaskView("ended", call)
    state = "ready" if task.runnable else "asleep" if task.asleep else "blocked"
    at_rest = isinstance(task.point.object, UserSpace) and begun < len(calls)
    on = None if task.runnable else task.blocked_on
    return TaskView(
        state,
        call,
        stack,
        f"call {calls[begun]}" if at_rest else f"{task.point.verb} {names.of(task.point.object)}",
        "" if on is None else _waits_for(task, on, names),
        () if on is None else tuple(names.tasks[owner] for owner in on.owners() if owner != task.index),
        tuple(Holding(names.of(lock), _for_write(task, lock)) for lock in task.held),
    )


def _waits_for(task: Task, on: Shared, names: Names) -> str:
    name = names.of(on)
    if not isinstance(on, WaitQueueHead):
        return name
    key = next((names.key(entry.key) for entry in on.entries if entry.task is task), "")
    return f"{name} for {key}" if key else name


def _for_write(task: Task, lock: Lock) -> bool:
    return not isinstance(lock, RwSemaphore | PercpuRwSemaphore) or task not in lock.readers
