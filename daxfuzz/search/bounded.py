"""All schedules with few preemptions, simplest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daxfuzz.search.replay import SparseReplay, default_task
from daxfuzz.sim import Execution, Scheduler, SparseSchedule, Stepper

if TYPE_CHECKING:
    from daxfuzz.sim import World


@dataclass(frozen=True, slots=True)
class BoundedRun:
    """One execution of the enumeration, with what its schedule costs."""

    preemptions: int
    choices: int
    schedule: SparseSchedule
    execution: Execution


def bounded_runs(world: World, executions: int, preemptions: int, limit: int) -> Iterator[BoundedRun]:
    """Every schedule of a sealed world, ordered by preemptions, then by choices.

    The iterative context bounding of Musuvathi and Qadeer (PLDI 2007), with the deviations from the default rule as
    the unit: each execution is extended by one more switch at every later turn. A run that comes first among those
    that fail is exactly minimal in preemptions and choices, as long as no bound has cut the enumeration before it.

    executions: at most so many. preemptions: at most so many in one schedule. limit: turns of one execution.
    """
    host = Stepper(world)
    # Cost, then order of discovery, so that ties do not compare schedules.
    queue: list[tuple[int, int, int, tuple[tuple[int, int], ...]]] = [(0, 0, 0, ())]
    serial = 0
    while queue and executions > 0:
        spent, chosen, _, switches = heapq.heappop(queue)
        recorder = _Runs(SparseReplay(SparseSchedule(switches)))
        execution = host.run(recorder, limit)
        executions -= 1
        yield BoundedRun(spent, chosen, SparseSchedule(switches), execution)
        first = switches[-1][0] + 1 if switches else 0
        for positions, enabled, current in recorder.stretches():
            preempts = current in enabled
            if preempts and spent == preemptions:
                continue
            others = [task for task in enabled if task != default_task(enabled, current)]
            cost = (spent + preempts, chosen + (not preempts))
            for position in range(max(first, positions.start), positions.stop):
                for task in others:
                    serial += 1
                    heapq.heappush(queue, (*cost, serial, (*switches, (position, task))))


class _Runs(Scheduler):
    """Plays a schedule and notes where its runs begin."""

    def __init__(self, inner: SparseReplay) -> None:
        self._inner = inner
        self._turns: list[int] = []
        self._runs: list[tuple[int, tuple[int, ...], int]] = []

    def new_execution(self, world: World) -> None:
        self._turns = world.turns
        self._runs = []
        self._inner.new_execution(world)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        return self.next_run(enabled, current)[0]

    def next_run(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        self._runs.append((len(self._turns), tuple(enabled), current))
        return self._inner.next_run(enabled, current)

    def stretches(self) -> Iterator[tuple[range, tuple[int, ...], int]]:
        """Turns at each of which the same tasks could run after the same one, with these tasks and that one."""
        for number, (start, enabled, current) in enumerate(self._runs, 1):
            end = self._runs[number][0] if number < len(self._runs) else len(self._turns)
            yield range(start, start + 1), enabled, current
            if end > start + 1:
                yield range(start + 1, end), enabled, self._turns[start]
