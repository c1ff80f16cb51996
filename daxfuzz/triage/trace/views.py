"""What a task is up to between two steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.sim import PercpuRwSemaphore, RwSemaphore, Shared, WaitQueueHead
from daxfuzz.triage.trace.step import Holding, Place, TaskView

if TYPE_CHECKING:
    from daxfuzz.sim import Lock, Task
    from daxfuzz.triage.trace.names import Names


def view_of(task: Task, call: str, stack: tuple[Place, ...], names: Names) -> TaskView:
    """A task as it is now. call: the operation that it is in; stack: where it is."""
    if task.point is None:
        return TaskView("ended", call)
    state = "ready" if task.runnable else "asleep" if task.asleep else "blocked"
    on = None if task.runnable else task.blocked_on
    return TaskView(
        state,
        call,
        stack,
        f"{task.point.verb} {names.of(task.point.object)}",
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
