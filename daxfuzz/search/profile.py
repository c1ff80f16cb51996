"""What an execution shows of a program: how much each task does, and to what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from daxfuzz.sim import Access

if TYPE_CHECKING:
    from daxfuzz.sim import Point, Shared, Task, World


class Profile:
    """How many turns each task of one program takes, and at which points, in one execution of it.

    Schedulers that weigh tasks by what they have left take the counts from here. One object may serve several of
    them. Counts are right for an execution in which each task does the same again; in others they are estimates.

    turns: per task.
    births: tasks that could not run at the first turn, in the order in which they could for the first time, each with
        the task whose turn that was. To a scheduler they are threads that the other one creates.
    """

    def __init__(self) -> None:
        self.world: World | None = None
        self.turns: list[int] = []
        self.births: dict[int, int] = {}
        self._tasks: list[Task] = []
        self._points: dict[Point, list[int]] = {}
        self._unborn: list[int] | None = None
        self._shared: list[Shared] | None = None
        self._counts: dict[Shared, list[int]] = {}

    def begin(self, world: World) -> bool:
        """Whether the execution of `world` that begins is to be noted: the first one. What another world has shown is
        forgotten."""
        if world is self.world:
            return False
        count = len(world.tasks)
        self.world = world
        self.turns = [0] * count
        self.births = {}
        self._tasks = world.tasks
        self._points = {}
        self._unborn = None
        self._shared = None
        self._counts = {}
        return True

    def note(self, enabled: Sequence[int], current: int, chosen: int) -> None:
        """Note a turn: question and answer as for a scheduler."""
        if self._unborn is None:
            self._unborn = [task for task in range(len(self.turns)) if task not in enabled]
        elif self._unborn:
            for task in [task for task in self._unborn if task in enabled]:
                self._unborn.remove(task)
                self.births[task] = current
        self.turns[chosen] += 1
        if chosen in self.births and self.turns[chosen] == 1:
            # That it comes after the step which creates the task is not up to anybody.
            return
        point = self._tasks[chosen].point
        assert point is not None
        counts = self._points.get(point)
        if counts is None:
            counts = self._points[point] = [0] * len(self._tasks)
        counts[chosen] += 1

    def shared(self) -> list[Shared]:
        """The objects on which steps of different tasks conflict, in the order of their first accesses."""
        if self._shared is None:
            self._shared = [obj for obj in self._objects() if self._contended(obj)]
        return self._shared

    def accesses(self, obj: Shared) -> list[int]:
        """How many turns of each task touch an object, without those with which created tasks begin."""
        counts = self._counts.get(obj)
        if counts is None:
            columns = [each for point, each in self._points.items() if touches(point, obj)]
            counts = self._counts[obj] = [sum(column) for column in zip([0] * len(self.turns), *columns, strict=True)]
        return counts

    def subtrees(self, counts: Sequence[int]) -> list[int]:
        """Counts per task, plus those of the tasks that it creates, and of those that these create."""
        sums = list(counts)
        for child, parent in reversed(self.births.items()):
            sums[parent] += sums[child]
        return sums

    def _objects(self) -> Iterable[Shared]:
        return dict.fromkeys(obj for point in self._points for obj in (point.object, *(obj for obj, _ in point.also)))

    def _contended(self, obj: Shared) -> bool:
        tasks: dict[Access, set[int]] = {}
        for point, counts in self._points.items():
            for access in accesses_to(point, obj):
                tasks.setdefault(access, set()).update(task for task, count in enumerate(counts) if count)
        everybody = set().union(*tasks.values())
        # Several tasks, and they do not only read or only add.
        return len(everybody) > 1 and (len(tasks) > 1 or not {Access.READ, Access.ADD}.issuperset(tasks))


def touches(point: Point, obj: Shared) -> bool:
    """Whether a step at this point names an object, other than by being wide."""
    return point.object is obj or (bool(point.also) and any(other is obj for other, _ in point.also))


def accesses_to(point: Point, obj: Shared) -> list[Access]:
    """What a step at this point does to an object."""
    return [access for other, access in ((point.object, point.access), *point.also) if other is obj]
