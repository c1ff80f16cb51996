"""Executions that there have been, so that none has to be made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daxfuzz.sim import Scheduler

if TYPE_CHECKING:
    from daxfuzz.sim import Execution, World


class Tracks:
    """The executions of one sealed world as a tree, in which a scheduler can be followed without running anything.

    The same turns always come to the same: which tasks can run after them is known from the execution that took them
    first. So a scheduler that goes by nothing else than that and the number of turns can be asked what it would do,
    until it takes a turn that none has taken there.

        tracks = Tracks(world)
        if tracks.length(scheduler()) is None:
            tracks.keep(host.run(tracks.noted(scheduler()), limit), limit)
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._root = _Node()
        self._noted: _Noted | None = None

    def noted(self, scheduler: Scheduler) -> Scheduler:
        """The scheduler, for an execution that may be kept. Raises ValueError for one without next_run."""
        self._noted = _Noted(scheduler)
        return self._noted

    def keep(self, execution: Execution, limit: int) -> None:
        """Keep the execution that was made last, with a noted scheduler, unless it was cut at this limit of turns."""
        turns = execution.turns
        if execution.exhausted or len(turns) >= limit:
            return
        assert self._noted is not None, "only what a noted scheduler has made can be kept"
        runs = self._noted.runs
        node = self._root
        for number, (start, enabled) in enumerate(runs, 1):
            end = runs[number][0] if number < len(runs) else len(turns)
            node = node.behind(turns[start], end - start, enabled)
        node.enabled = ()

    def length(self, scheduler: Scheduler) -> int | None:
        """How many turns the execution has that a scheduler would make; None if there has not been such a one.

        The scheduler is used up.
        """
        assert scheduler.next_run is not None
        self._world.turns = turns = []
        scheduler.new_execution(self._world)
        node, current = self._root, -1
        while node.enabled:
            current, wanted = scheduler.next_run(node.enabled, current)
            if current not in node.edges:
                return None
            left, behind = node.edges[current]
            while wanted < left:
                turns += [current] * wanted
                left -= wanted
                task, wanted = scheduler.next_run(node.enabled, current)
                if task != current:
                    return None
            turns += [current] * left
            node = behind
        return len(turns) if node.enabled is not None else None


class _Noted(Scheduler):
    """Notes which tasks can run. runs: from which turn on of the present execution, and the tasks."""

    def __init__(self, inner: Scheduler) -> None:
        if inner.next_run is None:
            raise ValueError(f"{type(inner).__name__} looks at every turn: it does not say for how many it decides")
        self._inner = inner
        self._next_run = inner.next_run
        self._turns: list[int] = []
        self.runs: list[tuple[int, tuple[int, ...]]] = []

    def new_execution(self, world: World) -> None:
        self._turns = world.turns
        self.runs = []
        self._inner.new_execution(world)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        return self.next_run(enabled, current)[0]

    def next_run(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        self.runs.append((len(self._turns), tuple(enabled)))
        return self._next_run(enabled, current)


@dataclass(slots=True)
class _Node:
    """A place in executions.

    enabled: the tasks that can run there, none at the end of an execution; None while nobody has been asked there.
    edges: by the task that runs from here, for how many turns, and the place behind them. Up to there the same tasks
        can run.
    """

    enabled: tuple[int, ...] | None = None
    edges: dict[int, tuple[int, _Node]] = field(default_factory=dict)

    def behind(self, task: int, turns: int, enabled: tuple[int, ...]) -> _Node:
        """The place behind so many turns of a task from here on, where these tasks can run."""
        node = self
        while True:
            node.enabled = enabled
            if task not in node.edges:
                node.edges[task] = (turns, _Node())
                return node.edges[task][1]
            length, place = node.edges[task]
            if turns == length:
                return place
            if turns < length:
                middle = _Node(enabled, {task: (length - turns, place)})
                node.edges[task] = (turns, middle)
                return middle
            node, turns = place, turns - length
