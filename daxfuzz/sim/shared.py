"""What every shared object has: a name, a place in the world, and a state that can be saved and put back."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim.point import Access, Point

if TYPE_CHECKING:
    from daxfuzz.sim.world import World


class Shared:
    """A piece of shared state. Its whole state goes through :meth:`state` and :meth:`restore`.

    The world puts objects back to their sealed state before each execution, and the states of all objects
    together are the shared half of an exhaustive search's key, so nothing that tasks change may live elsewhere.

    A primitive yields its Point, and makes its access in the turn that it then gets. Most take a turn that their task
    has ahead (World.goes_on) without parking it.

    clean: it is in its sealed state. Only where TRACKED says so.
    sealed: the state in which every execution starts.
    """

    __slots__ = ("clean", "log", "name", "sealed", "world")

    GUARDED: tuple[str, ...] = ()
    """Attributes that hold shared state; in the checking mode only a declared access may touch them."""

    FREED = False
    """Whether the object was freed in this execution."""

    PASSENGER = False
    """Touched in steps that do not declare it. Its own steps are wide, therefore."""

    ARRIVAL = False
    """Its methods may also look at it when a task arrives, in the step before; that commutes with every step."""

    TRACKED = False
    """It says when it changes (:meth:`touch`), so that executions which left it alone need not put it back."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.log = world.log
        self.clean = True
        self.sealed: Any = None
        world.adopt(self)

    def touch(self) -> None:
        """Note the first change of an execution; callers look at `clean` first, which is cheaper than a call."""
        self.clean = False
        self.world.dirty.append(self)

    def state(self) -> Hashable:
        """The current state, as an immutable value."""
        raise NotImplementedError

    def restore(self, state: Any) -> None:
        """Put back a value that :meth:`state` returned."""
        raise NotImplementedError

    def owners(self) -> tuple[int, ...]:
        """Indices of the tasks that a task blocked here waits for; empty when nobody in particular."""
        return ()

    def point(self, access: Access, verb: str, *also: tuple[Shared, Access], wide: bool = False) -> Point:
        """A Point of this object, to be built once and kept; `also` and `wide` as in Point."""
        return Point(self, access, verb, also, wide or self.PASSENGER)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"
