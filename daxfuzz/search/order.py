"""Labels of scheduling points, and replay by ordering constraints between them.

A label names a step as a reader of the program would: the task, the function it is in, the access it makes there, and
the how-manieth time that is. It survives edits that move step counts.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from daxfuzz.search.decorator import Decorator
from daxfuzz.search.replay import Replay, default_task, replay_exactly
from daxfuzz.sim import Constraint, Label, Scheduler
from daxfuzz.sim.trace import function_of

if TYPE_CHECKING:
    from daxfuzz.sim import Task, World


class Occurrences:
    """Labels the next points of parked tasks, counting what each task has taken so far."""

    def __init__(self) -> None:
        self._taken: dict[tuple[int, str, str], int] = {}

    def next_label(self, task: Task) -> Label:
        """Label of the access that a parked task makes when it gets its next turn."""
        function, verb = place_of(task)
        return Label(task.name, function, verb, self._taken.get((task.index, function, verb), 0) + 1)

    def take(self, task: Task) -> None:
        """Count the next access of a parked task as taken; called before its turn."""
        key = (task.index, *place_of(task))
        self._taken[key] = self._taken.get(key, 0) + 1


class OrderReplay(Scheduler):
    """Any schedule that keeps the constraints: who is about to take an `after` too early is held back.

    Among the others the current task runs on where it may, then the one with the lowest index; with `rng`, any of
    them, all equally likely, so that further executions try further linearisations. `stay` is how likely the current
    one then runs on without a draw.

    A constraint whose `after` never comes up is kept, whatever becomes of its `before`. The case cannot be replayed
    when a task is held back for a `before` whose task has ended or does not exist, or when all enabled tasks are held
    back. Then `impossible` says why, and the rest of the execution goes by the default rule without constraints.

    Labels are counted from the start of the execution, so this is not for use as a host's suffix. Tasks are told
    apart by name; of several with one name, constraints mean the first.

    impossible: empty as long as the constraints can be kept.
    pending: constraints whose `before` has not happened.
    """

    def __init__(self, constraints: Iterable[Constraint], rng: random.Random | None = None, stay: float = 0.0) -> None:
        self.constraints = tuple(constraints)
        self.impossible = ""
        self.pending: list[Constraint] = []
        self._rng = rng
        self._stay = stay
        self._verbs = frozenset(label.verb for item in self.constraints for label in (item.before, item.after))
        self._occurrences = Occurrences()
        self._tasks: list[Task] = []
        self._by_name: dict[str, Task] = {}

    def new_execution(self, world: World) -> None:
        self.impossible = ""
        self.pending = list(self.constraints)
        self._occurrences = Occurrences()
        self._tasks = world.tasks
        self._by_name = {task.name: task for task in reversed(world.tasks)}

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        if self.impossible:
            return default_task(enabled, current)
        if not self.pending:
            return self._choose(enabled, current)
        labels = {task: label for task in enabled if (label := self._label(task)) is not None}
        allowed = self._allowed(enabled, labels)
        if self.impossible:
            return default_task(enabled, current)
        chosen = self._choose(allowed, current)
        if chosen in labels:
            self._take(chosen, labels[chosen])
        return chosen

    def _choose(self, allowed: Sequence[int], current: int) -> int:
        if self._rng is not None:
            if self._stay and current in allowed and self._rng.random() < self._stay:
                return current
            return self._rng.choice(allowed)
        return default_task(allowed, current)

    def _label(self, index: int) -> Label | None:
        """Label of a task's next point; None if no constraint can mean it, since walking its frames is dear."""
        task = self._tasks[index]
        assert task.point is not None
        if task.point.verb not in self._verbs or self._by_name[task.name] is not task:
            return None
        return self._occurrences.next_label(task)

    def _allowed(self, enabled: Sequence[int], labels: dict[int, Label]) -> list[int]:
        """The tasks that no constraint holds back; notes in `impossible` why nothing can come of that."""
        allowed = []
        obstacles = []
        for task in enabled:
            holding = [item for item in self.pending if item.after == labels.get(task)]
            if not holding:
                allowed.append(task)
            for item in holding:
                obstacles.append(str(item))
                self._check_reachable(item)
        if not allowed and not self.impossible:
            self.impossible = f"all tasks that could run are held back: {'; '.join(obstacles)}"
        return allowed

    def _check_reachable(self, constraint: Constraint) -> None:
        task = self._by_name.get(constraint.before.task)
        if task is None:
            self.impossible = f"{constraint}: there is no task {constraint.before.task}"
        elif task.point is None:
            self.impossible = f"{constraint}: {constraint.before.task} has ended without {constraint.before}"

    def _take(self, task: int, label: Label) -> None:
        self._occurrences.take(self._tasks[task])
        self.pending = [item for item in self.pending if item.before != label]


def labels_of(world: World, turns: Sequence[int]) -> list[Label]:
    """The label of each turn.

    world: sealed; it is run once, on a stepper, for len(turns) turns.
    turns: task indices, one per turn.

    Raises DivergedError if the program cannot take these turns.
    """
    labeller = _Labeller(Replay(turns))
    replay_exactly(world, labeller, turns)
    return labeller.labels


def next_labels(world: World, turns: Sequence[int]) -> list[Label]:
    """What the other tasks that could run at the last turn would have done next, by index.

    Arguments and errors as for :func:`labels_of`.
    """
    labeller = _Labeller(Replay(turns), last=len(turns))
    replay_exactly(world, labeller, turns)
    return labeller.others


def pending_labels(world: World, turns: Sequence[int]) -> list[Label]:
    """What each task that had not ended at the last turn would have done next or was waiting to do, by index, without
    the one that took that turn.

    Arguments and errors as for :func:`labels_of`.
    """
    labeller = _Labeller(Replay(turns), last=len(turns), waiting=True)
    replay_exactly(world, labeller, turns)
    return labeller.others


class _Labeller(Decorator):
    """Notes the label of each turn, and what the others were about to do at the `last` one, from 1."""

    def __init__(self, inner: Scheduler, last: int = 0, waiting: bool = False) -> None:
        """waiting: whether the others are also those that could not run."""
        super().__init__(inner)
        self._last = last
        self._waiting = waiting
        self.labels: list[Label] = []
        self.others: list[Label] = []
        self._occurrences = Occurrences()
        self._tasks: list[Task] = []

    def new_execution(self, world: World) -> None:
        self.labels = []
        self.others = []
        self._occurrences = Occurrences()
        self._tasks = world.tasks
        super().new_execution(world)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        chosen = super().next_task(enabled, current)
        task = self._tasks[chosen]
        self.labels.append(self._occurrences.next_label(task))
        if len(self.labels) == self._last:
            there = [task for task in self._tasks if task.point is not None and task.index != chosen]
            others = [task for task in there if self._waiting or task.index in enabled]
            self.others = [self._occurrences.next_label(other) for other in others]
        self._occurrences.take(task)
        return chosen


def place_of(task: Task) -> tuple[str, str]:
    """Function and verb of a parked task's next access."""
    assert task.point is not None
    return function_of(task.frames()), task.point.verb
