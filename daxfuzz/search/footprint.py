"""What a step touches, observers included, and which steps of different tasks may change places."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from daxfuzz.sim import Access, Point, Shared, Signals

if TYPE_CHECKING:
    from daxfuzz.sim import World

READ, ADD, WRITE = 1, 2, 4
"""How a thing is touched; of several ways the sum. Reads commute with reads, additions with additions."""

COMMUTE = (READ, ADD)

ANY: Final = "any"
"""Stands for all objects: a step that may touch what nobody can name."""

CALLS: Final = "calls"
"""Stands for the calls that tasks are in, where somebody else looks at them."""

Thing = Shared | str

Footprint = dict[Thing, int]


class Footprints:
    """What steps touch: what their Points declare and, where observers are called or a step is wide, at what anybody
    has looked (the recording mode of the world).

    A step that sends a signal touches anything: its victim may look for one at any step.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._declared: dict[Point, Footprint] = {}

    def declared(self, point: Point) -> Footprint:
        """What a step at a point touches at least. Not to be changed."""
        found = self._declared.get(point)
        if found is None:
            found = self._declared[point] = {}
            for obj, access in ((point.object, point.access), *point.also):
                found[obj] = found.get(obj, 0) | _how(access)
            if point.wide and (not self.world.recording or isinstance(point.object, Signals)):
                found[ANY] = WRITE
        return found

    def of(self, point: Point, changed: Collection[Thing], remembered: Collection[str], elsewhere: bool) -> Footprint:
        """What the step just taken at a point has touched. Not to be changed.

        changed: the things that are something else now.
        remembered: what observers remember that is something else now.
        elsewhere: whether the task is in another call now, or in none.
        """
        world = self.world
        declared = self.declared(point)
        looked = world.looked
        if not looked and not remembered and not elsewhere:
            return declared
        found = dict(declared)
        for obj in looked:
            found[obj] = found.get(obj, 0) | (WRITE if obj in changed else READ)
        if point.wide:
            for obj in changed:
                found[obj] = WRITE
        for memory in remembered:
            found[memory] = WRITE
        if elsewhere:
            found[CALLS] = WRITE
        return found


def clash(one: Mapping[Thing, int], other: Mapping[Thing, int]) -> bool:
    """Whether two steps of different tasks may lead elsewhere in another order, or show something else to observers."""
    if ANY in one or ANY in other:
        return True
    if len(one) > len(other):
        one, other = other, one
    return any(thing in other and (how | other[thing]) not in COMMUTE for thing, how in one.items())


def _how(access: Access) -> int:
    if access is Access.READ:
        return READ
    return ADD if access is Access.ADD else WRITE
