"""Which steps of a trace a reader needs: those by which tasks can notice each other."""

from __future__ import annotations

from daxfuzz.triage.trace.step import Step, Trace


def relevant(trace: Trace) -> frozenset[int]:
    """Turns of the steps that make a call, that change what another task looks at or look at what another one
    changes, that put to sleep, block, wake or let go on; and of the last one.

    Steps on locks count only where a task had to wait for the lock.
    """
    objects = _common(trace) - _uncontended(trace)
    return frozenset(
        step.turn
        for step in trace.steps
        if step.object in objects or _hands_over(step) or step.access == "call" or step is trace.steps[-1]
    )


def _common(trace: Trace) -> set[str]:
    """Objects that several tasks access, and that change."""
    users: dict[str, set[str]] = {}
    changed: set[str] = set()
    for step in trace.steps:
        users.setdefault(step.object, set()).add(step.task)
        changed.update(trace.objects[name] for name in step.state)
    return {name for name, tasks in users.items() if len(tasks) > 1 and name in changed}


def _uncontended(trace: Trace) -> set[str]:
    """Locks for which no task ever waits."""
    views = [view for step in trace.steps for view in step.tasks.values()]
    locks = {trace.objects[name] for name, group in trace.groups.items() if group == "locks"}
    return locks - {view.waits_for for view in views}


def _hands_over(step: Step) -> bool:
    """Whether a task falls asleep, is blocked, or gets on because of the step."""
    return bool(step.woken or step.released) or any(view.waits_for for view in step.tasks.values())
