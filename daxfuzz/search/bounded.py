"""Schedules by what they cost: all those with few preemptions, or few delays, come before those with more."""

from __future__ import annotations

import heapq
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import gcd
from typing import TYPE_CHECKING

from daxfuzz.search.replay import NEVER, default_task
from daxfuzz.search.tracks import Tracks
from daxfuzz.sim import Execution, Scheduler, SparseSchedule, Stepper

if TYPE_CHECKING:
    from daxfuzz.sim import World

Cost = tuple[int, int]
"""What counts, and what counts less: the first numbers are compared first. Costs of one schedule are added up."""

Switch = tuple[int, int]
"""A turn, from 0, and who takes it instead of the task that would cost nothing."""


class Preemptions:
    """The measure of iterative context bounding.

    Musuvathi, Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded Programs" (PLDI 2007). By
    default the current task goes on while it can, and then the enabled one with the lowest index. A switch away from a
    task that could go on costs a preemption; another task where the current one cannot costs a choice.

    Deviation from the paper: choices cost something there is no bound on. Of schedules with equally many preemptions,
    those with fewer choices come first; the paper has them come in no particular order.
    """

    def default(self, enabled: Sequence[int], current: int) -> int:
        """Who runs at no cost."""
        return default_task(enabled, current)

    def others(self, enabled: Sequence[int], current: int) -> list[tuple[int, Cost]]:
        """The other enabled tasks, with their costs."""
        cost = (1, 0) if current in enabled else (0, 1)
        free = default_task(enabled, current)
        return [(task, cost) for task in enabled if task != free]


class Delays(Preemptions):
    """The measure of delay bounding.

    Emmi, Qadeer, Rakamaric, "Delay-Bounded Scheduling" (POPL 2011), with the deterministic scheduler of Thomson,
    Donaldson, Betts (TOPC 2016): the current task goes on while it can, then the next one in the cyclic order of
    indices. A delay passes over the task whose turn it would be; to get to the k-th task after it costs k delays. So
    with few delays there are far fewer schedules than with as many preemptions, and where a task blocks, too.
    """

    def default(self, enabled: Sequence[int], current: int) -> int:
        if current in enabled:
            return current
        return next((task for task in enabled if task > current), enabled[0])

    def others(self, enabled: Sequence[int], current: int) -> list[tuple[int, Cost]]:
        first = enabled.index(self.default(enabled, current))
        order = [*enabled[first + 1 :], *enabled[:first]]
        return [(task, (delays, 0)) for delays, task in enumerate(order, 1)]


PREEMPTIONS = Preemptions()
DELAYS = Delays()


class BoundedSearch(Scheduler):
    """Systematic search: each execution of a world takes another schedule, those that cost less before all others.

    Each execution is extended by one more switch at every later turn, so every schedule comes exactly once. When all
    have come, they come again. A world that is not that of the execution before starts a search of its own.

    Deviation from both papers: their searches are depth-first, once for each bound; this one keeps what is left to be
    tried, so its memory grows with the executions, by some entries for each stretch of turns of one.

    measure: of the cost.
    rng: draws which of the schedules with the least cost is next; without it they come in the order of their turns.
        It may be replaced between executions. An execution or two in a program of a hundred turns would otherwise see
        nothing but its beginning.
    most: the first number of the cost of a schedule is at most this.
    schedule, cost: of the present execution; the schedule's turns depart from the measure's default.
    """

    def __init__(self, measure: Preemptions, rng: random.Random | None = None, most: int = NEVER) -> None:
        self.measure = measure
        self.rng = rng
        self.most = most
        self.schedule = SparseSchedule(())
        self.cost: Cost = (0, 0)
        self._world: World | None = None
        self._queue: list[tuple[Cost, float, int, _Group]] = []
        self._serial = 0
        self._fresh = True
        self._expanded = True
        self._turns: list[int] = []
        self._start = 0
        self._position = 0
        self._next = NEVER
        self._runs: list[tuple[int, tuple[int, ...], int]] = []

    def more(self) -> bool:
        """Whether there are schedules that have not come yet."""
        self._expand()
        return self._fresh or bool(self._queue)

    def new_execution(self, world: World) -> None:
        if world is not self._world:
            self._world = world
            self._queue = []
            self._expanded = self._fresh = True
        elif not self.more():
            self._fresh = True
        if self._fresh:
            self._fresh = False
            self.cost, self.schedule = (0, 0), SparseSchedule(())
        else:
            self.cost, self.schedule = self._pop()
        self._expanded = False
        self._turns = world.turns
        self._start = len(world.turns)
        self._runs = []
        self._position = 0
        self._next = self.schedule.switches[0][0] if self.schedule.switches else NEVER

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        return self.next_run(enabled, current)[0]

    def next_run(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        turn = len(self._turns) - self._start
        self._runs.append((turn, tuple(enabled), current))
        if turn == self._next:
            switches = self.schedule.switches
            task = switches[self._position][1]
            self._position += 1
            self._next = switches[self._position][0] if self._position < len(switches) else NEVER
            # Each turn up to here was taken before, and this task could run.
            return task, self._next - turn
        return self.measure.default(enabled, current), self._next - turn

    def _pop(self) -> tuple[Cost, SparseSchedule]:
        cost, _, serial, group = heapq.heappop(self._queue)
        schedule = SparseSchedule((*group.switches, group.take()))
        if group.left:
            self._push(cost, serial, group)
        return cost, schedule

    def _push(self, cost: Cost, serial: int, group: _Group) -> None:
        heapq.heappush(self._queue, (cost, self.rng.random() if self.rng else 0.0, serial, group))

    def _expand(self) -> None:
        """Note what the execution that has ended can be extended to."""
        if self._expanded:
            return
        self._expanded = True
        groups: dict[Cost, list[tuple[range, list[int]]]] = {}
        for turns, enabled, current in self._stretches():
            by_cost: dict[Cost, list[int]] = {}
            for task, (counts, less) in self.measure.others(enabled, current):
                if self.cost[0] + counts <= self.most:
                    by_cost.setdefault((self.cost[0] + counts, self.cost[1] + less), []).append(task)
            for cost, tasks in by_cost.items():
                groups.setdefault(cost, []).append((turns, tasks))
        for cost, parts in groups.items():
            self._serial += 1
            self._push(cost, self._serial, _Group(self.schedule.switches, parts, self.rng))

    def _stretches(self) -> Iterator[tuple[range, tuple[int, ...], int]]:
        """Turns at each of which the same tasks could run after the same one, with these tasks and that one; without
        those up to the last switch."""
        turns = self._turns
        switches = self.schedule.switches
        least = switches[-1][0] + 1 if switches else 0
        for number, (start, enabled, current) in enumerate(self._runs, 1):
            end = self._runs[number][0] if number < len(self._runs) else len(turns) - self._start
            if least <= start < end:
                yield range(start, start + 1), enabled, current
            if end > max(start + 1, least):
                yield range(max(start + 1, least), end), enabled, turns[self._start + start]


class _Group:
    """Equally dear extensions of one schedule."""

    def __init__(
        self, switches: tuple[Switch, ...], parts: list[tuple[range, list[int]]], rng: random.Random | None
    ) -> None:
        self.switches = switches
        self._parts = parts
        self._ends = list(accumulate(len(turns) * len(tasks) for turns, tasks in parts))
        self.left = size = self._ends[-1]
        # Steps of a size that has no divisor in common with the number get everywhere, and cost no memory.
        self._at = rng.randrange(size) if rng else 0
        self._step = next(step for step in _steps(size, rng) if gcd(step, size) == 1)

    def take(self) -> Switch:
        """One of them that has not been taken; there are `left`."""
        part = bisect_right(self._ends, self._at)
        turns, tasks = self._parts[part]
        turn, task = divmod(self._at - (self._ends[part - 1] if part else 0), len(tasks))
        self._at = (self._at + self._step) % self._ends[-1]
        self.left -= 1
        return turns[turn], tasks[task]


def _steps(size: int, rng: random.Random | None) -> Iterator[int]:
    while rng is not None and size > 1:
        yield rng.randrange(1, size)
    yield 1


@dataclass(frozen=True, slots=True)
class BoundedRun:
    """One execution of the enumeration, with what its schedule costs."""

    preemptions: int
    choices: int
    schedule: SparseSchedule
    execution: Execution


def bounded_runs(
    world: World, executions: int, preemptions: int, limit: int, tracks: Tracks | None = None
) -> Iterator[BoundedRun]:
    """Every schedule of a sealed world, ordered by preemptions, then by choices (:class:`Preemptions`).

    A run that comes first among those that fail is exactly minimal in preemptions and choices, as long as no bound
    has cut the enumeration before it.

    executions: at most so many. preemptions: at most so many in one schedule. limit: turns of one execution.
    tracks: where the executions are kept.
    """
    host = Stepper(world)
    search = BoundedSearch(PREEMPTIONS, most=preemptions)
    while executions > 0 and search.more():
        if tracks is None:
            execution = host.run(search, limit)
        else:
            execution = host.run(tracks.noted(search), limit)
            tracks.keep(execution, limit)
        executions -= 1
        yield BoundedRun(*search.cost, search.schedule, execution)
