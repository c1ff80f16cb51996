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
    """

    __slots__ = ("access", "object", "verb")

    def __init__(self, obj: Shared, access: Access, verb: str) -> None:
        self.object = obj
        self.access = access
        self.verb = verb

    def __repr__(self) -> str:
        return f"{self.object.name}.{self.verb}"


def conflict(a: Point, b: Point) -> bool:
    """Whether the order of two steps of different tasks can matter: same object, and not both reads or both adds."""
    if a.object is not b.object:
        return False
    return not (a.access == b.access and a.access in (Access.READ, Access.ADD))
