"""POS: random priorities of accesses, drawn anew for those that race."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from daxfuzz.search.replay import NEVER
from daxfuzz.sim import Scheduler, conflict

if TYPE_CHECKING:
    from daxfuzz.sim import Task, World


class POS(Scheduler):
    """Partial order sampling.

    Yuan, Yang, Gu, "Partial Order Aware Concurrency Sampling" (CAV 2018). Each access that a task is about to make has
    a priority, uniform over [0, 1); the enabled task with the highest one runs. The next access of that task gets a
    priority of its own, and so does, once more, each access of another enabled task that races with the one that
    runs: without it, a task that has lost against one access would most likely lose against the next ones, too. So
    the partial order of an execution is sampled, and not the order of accesses that commute.

    Deviations from the paper:

    - Two accesses race if :func:`~daxfuzz.sim.conflict` says that their order can matter. It also takes two
      increments that return nothing as independent, and a step that may touch what it cannot name as racing with all.
    - Priorities are drawn when they are first compared. A task that is alone has none.
    - Priorities are double precision numbers. Of equal ones the task with the lowest index wins; two are equal once
      in 2**53 comparisons.

    rng: source of all choices.
    """

    def __init__(self, rng: random.Random) -> None:
        self._draw = rng.random
        self._tasks: list[Task] = []
        self._priority: list[float] = []

    def new_execution(self, world: World) -> None:
        self._tasks = world.tasks
        self._priority = [NOT_DRAWN] * len(world.tasks)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        return self.next_run(enabled, current)[0]

    def next_run(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        priority = self._priority
        chosen = enabled[0]
        if len(enabled) == 1:
            priority[chosen] = NOT_DRAWN
            return chosen, NEVER
        highest = NOT_DRAWN
        for task in enabled:
            own = priority[task]
            if own < 0:
                own = priority[task] = self._draw()
            if own > highest:
                highest = own
                chosen = task
        priority[chosen] = NOT_DRAWN
        tasks = self._tasks
        point = tasks[chosen].point
        assert point is not None
        touched = point.object
        plain = not (point.also or point.wide)
        for task in enabled:
            other = tasks[task].point
            assert other is not None
            # Most pairs name one object each, and not the same.
            if plain and other.object is not touched and not other.also and not other.wide:
                continue
            if conflict(point, other):
                priority[task] = NOT_DRAWN
        return chosen, 1


NOT_DRAWN = -1.0
"""Lower than any priority."""
