"""Vector clocks: which steps of other tasks have to come before a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from daxfuzz.sim import Access, Point

if TYPE_CHECKING:
    from daxfuzz.sim import Shared

Clock = list[int]

EXCLUSIVE = -1
"""The class of all accesses that do not commute with their like."""

COMMUTING = (Access.READ, Access.ADD)


class Clocks:
    """Orders two steps if one task makes both, or if they conflict (sim.conflict), or by way of others."""

    def __init__(self, tasks: int) -> None:
        self._tasks = [[0] * tasks for _ in range(tasks)]
        self._objects: dict[Shared, dict[int, Clock]] = {}
        self._wide = [0] * tasks
        self._all = [0] * tasks

    def step(self, task: int, point: Point) -> tuple[int, ...]:
        """The clock of a task's next step, which makes these accesses."""
        clock = self._tasks[task]
        clock[task] += 1
        accesses = ((point.object, point.access), *point.also)
        _join(clock, self._all if point.wide else self._wide)
        for obj, access in accesses:
            for kind, seen in self._objects.get(obj, {}).items():
                if kind != _kind(access) or kind == EXCLUSIVE:
                    _join(clock, seen)
        for obj, access in accesses:
            _join(self._objects.setdefault(obj, {}).setdefault(_kind(access), [0] * len(clock)), clock)
        _join(self._all, clock)
        if point.wide:
            _join(self._wide, clock)
        return tuple(clock)


def _kind(access: Access) -> int:
    return access if access in COMMUTING else EXCLUSIVE


def _join(clock: Clock, other: Iterable[int]) -> None:
    clock[:] = map(max, clock, other)
