"""All schedules with few preemptions, simplest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daxfuzz.search.recorder import Recorder
from daxfuzz.search.replay import SparseReplay, default_task
from daxfuzz.sim import Execution, SparseSchedule, Stepper

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
        recorder = Recorder(SparseReplay(SparseSchedule(switches)))
        execution = host.run(recorder, limit)
        executions -= 1
        yield BoundedRun(spent, chosen, SparseSchedule(switches), execution)
        first = switches[-1][0] + 1 if switches else 0
        for position in range(first, len(recorder.turns)):
            turn = recorder.turns[position]
            preempts = turn.current in turn.enabled
            if preempts and spent == preemptions:
                continue
            default = default_task(turn.enabled, turn.current)
            for task in turn.enabled:
                if task != default:
                    serial += 1
                    cost = (spent + preempts, chosen + (not preempts))
                    heapq.heappush(queue, (*cost, serial, (*switches, (position, task))))
