"""Scheduling points: what a task is about to do, as data."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daxfuzz.sim.shared import Shared


class Access(IntEnum):
    """How a step touches its object; decides which steps of different tasks commute."""

    READ = 0
    WRITE = 1
    UPDATE = 2
    """Reads the old value and writes a new one in one step (a value-returning atomic)."""
    ADD = 3
    """Adds without returning a value: commutes with itself."""
    LOCK = 4
    UNLOCK = 5
    SLEEP = 6
    """Goes on once it has been woken."""
    WAKE = 7


class Point:
    """One access to one shared object: built with the object, never per step.

    A parked task shows the Point of the access that it makes when it gets its next turn.

    also: further accesses that the same step may make, as (object, access) pairs: what rides on it. All that are
        possible are named, since a Point is built before anybody knows which of them will happen.
    wide: the step may touch what it cannot name (another task's processor, objects that it frees).
    """

    __slots__ = ("access", "also", "object", "verb", "wide")

    def __init__(
        self, obj: Shared, access: Access, verb: str, also: tuple[tuple[Shared, Access], ...] = (), wide: bool = False
    ) -> None:
        self.object = obj
        self.access = access
        self.verb = verb
        self.also = also
        self.wide = wide

    def declares(self, obj: Shared) -> bool:
        """Whether the step may touch an object."""
        return self.object is obj or self.wide or any(other is obj for other, _ in self.also)

    def __repr__(self) -> str:
        return f"{self.object.name}.{self.verb}"


def conflict(a: Point, b: Point) -> bool:
    """Whether the order of two steps of different tasks can matter, for what tasks and objects do.

    It can if they touch the same object and do not both read or both add, or if one of them is wide. False is a
    promise: in either order the two steps leave all objects and tasks the same. It holds as long as a task waits on
    one queue at a time. It says nothing of observers, which may look at anything at any step; a reduction that is to
    keep the verdicts of oracles has to take the steps that they listen to as conflicting with each other.
    """
    if a.wide or b.wide:
        return True
    if not a.also and not b.also:
        return a.object is b.object and not _commute(a.access, b.access)
    return any(
        one is other and not _commute(first, second)
        for one, first in ((a.object, a.access), *a.also)
        for other, second in ((b.object, b.access), *b.also)
    )


def _commute(a: Access, b: Access) -> bool:
    return a is b and (a is Access.READ or a is Access.ADD)
