"""Every state of a small program, by brute force: what the exhaustive search is checked against.

Shares nothing with the library's search: no key of it, no order, no reduction. Each state is reached by a run of its
own from the start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from daxfuzz.sim import Execution, RwSemaphore, Scheduler, Stepper, World


@dataclass
class Space:
    """What there is: states, transitions between them, and how executions end: shared state, and who is stuck."""

    states: int = 0
    transitions: int = 0
    finals: set[Hashable] = field(default_factory=set)
    findings: set[str] = field(default_factory=set)


def enumerate_states(world: World, forget: bool = True, limit: int = 1_000_000) -> Space:
    """All reachable states, breadth first. Raises OverflowError past `limit` of them."""
    space = Space()
    pending: deque[tuple[int, ...]] = deque([()])
    seen: set[Hashable] = set()
    while pending:
        turns = pending.popleft()
        key, enabled, execution = _after(world, turns, forget)
        space.transitions += bool(turns)
        space.findings.update(each.kind for each in (*execution.deferred, execution.violation) if each)
        if key is None or key in seen:
            continue
        if len(seen) == limit:
            raise OverflowError(f"more than {limit} states")
        seen.add(key)
        pending += [(*turns, task) for task in enabled]
        if not enabled:
            space.finals.add((key[0], execution.stuck))
    space.states = len(seen)
    return space


class _Prefix(Scheduler):
    """Takes given turns, and notes before each of them, and after all, what each task says it goes on with."""

    def __init__(self, turns: Sequence[int]) -> None:
        self.turns = turns
        self.lives: list[list[Any]] = []
        self.signals: list[list[int]] = []
        self.points: list[list[Any]] = []
        self.world: World | None = None

    def new_execution(self, world: World) -> None:
        self.world = world

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        self.note()
        return self.turns[len(self.lives) - 1]

    def note(self) -> None:
        assert self.world is not None
        self.lives.append([task.live for task in self.world.tasks])
        self.signals.append([int(task.signal) for task in self.world.tasks])
        self.points.append([task.point for task in self.world.tasks])
        for task in self.world.tasks:
            task.live = None


def _after(world: World, turns: tuple[int, ...], forget: bool) -> tuple[Any, tuple[int, ...], Execution]:
    """The state after some turns, None if the last one broke a property; who can go on; and the execution."""
    found: list[Any] = []
    prefix = _Prefix(turns)

    def look() -> None:
        prefix.note()
        found.append((world.shared_state(), tuple(_scheduling(task) for task in world.tasks), tuple(world.enabled)))

    world.on_end.insert(0, look)
    try:
        execution = Stepper(world).run(prefix, limit=len(turns))
    finally:
        world.on_end.remove(look)
    if not found:
        return None, (), execution
    shared, tasks, enabled = found[0]
    history: list[list[Any]] = [[] for _ in world.tasks]
    for turn, step in enumerate(execution.steps()):
        live = prefix.lives[turn + 1][step.task]
        if live is not None and forget:
            history[step.task] = [live]
        elif not _queues(step.point, prefix.points[turn + 1][step.task]):
            # Which steps a task takes follows from what it has seen. It may look at its own signal in any of them.
            history[step.task].append((repr(step.value), prefix.signals[turn + 1][step.task]))
    return (shared, tuple((*task, tuple(past)) for task, past in zip(tasks, history, strict=True))), enabled, execution


def _queues(point: Any, then: Any) -> bool:
    """Whether a task has asked for a semaphore and has to wait: it knows no more than if it had got it at once."""
    same = then is not None and then.object is point.object and isinstance(then.object, RwSemaphore)
    return same and point.verb != "wait" and then.verb == "wait"


def _scheduling(task: Any) -> tuple[Hashable, ...]:
    return (
        task.operation,
        repr(task.point),
        task.runnable,
        task.asleep,
        int(task.state),
        int(task.signal),
        task.killable,
        task.irq_depth,
        task.atomic,
        tuple(lock.name for lock in task.held),
    )
