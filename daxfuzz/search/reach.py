"""What each task may still touch, as far as anybody has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.search.footprint import Footprint, clash

if TYPE_CHECKING:
    from collections.abc import Iterable

Place = tuple[int, int]
"""A stage of a task (how often it has forgotten, -1 at its end) and a number for the Point that it is parked at."""


class Reach:
    """Per task a graph of the places where it has been seen, with the footprints of its steps from there.

    What it may still touch is the sum of those of all places that can be reached. That is a guess about what has not
    been seen. Whoever relies on it has to begin again when :meth:`learn` says that it was wrong.
    """

    def __init__(self, tasks: int) -> None:
        self._steps: list[dict[Place, Footprint]] = [{} for _ in range(tasks)]
        self._next: list[dict[Place, set[Place]]] = [{} for _ in range(tasks)]
        self._rest: list[dict[Place, Footprint]] = [{} for _ in range(tasks)]

    def learn(self, task: int, place: Place, footprint: Footprint, then: Place) -> bool:
        """A task has taken a step from one place to another: whether more can be touched than was known."""
        known = self._steps[task].setdefault(place, {})
        following = self._next[task].setdefault(place, set())
        if then in following and all(known.get(thing, 0) | how == known.get(thing) for thing, how in footprint.items()):
            return False
        following.add(then)
        for thing, how in footprint.items():
            known[thing] = known.get(thing, 0) | how
        before = self._rest[task].get(place, {})
        wanted = dict(self._rest[task].get(then, {}))
        for thing, how in known.items():
            wanted[thing] = wanted.get(thing, 0) | how
        if all(before.get(thing, 0) | how == before.get(thing) for thing, how in wanted.items()):
            return False
        self._sum(task)
        return True

    def clashes(self, footprint: Footprint, task: int, places: Iterable[Place]) -> bool:
        """Whether another task than the given one may take a step, now or later, that clashes with a footprint.

        places: of all tasks.
        """
        for other, place in enumerate(places):
            if other != task and place[0] >= 0:
                rest = self._rest[other].get(place)
                if rest is not None and clash(footprint, rest):
                    return True
        return False

    def _sum(self, task: int) -> None:
        """Work out again what can be touched from each place of a task."""
        rest = {place: dict(footprint) for place, footprint in self._steps[task].items()}
        changed = True
        while changed:
            changed = False
            for place in reversed(rest):
                mine = rest[place]
                for then in self._next[task][place]:
                    for thing, how in rest.get(then, {}).items():
                        before = mine.get(thing, 0)
                        if before | how != before:
                            mine[thing] = before | how
                            changed = True
        self._rest[task] = rest
