"""What every shared object has: a name, a place in the world, and a state that can be saved and put back."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from daxfuzz.sim.point import Access, Point

if TYPE_CHECKING:
    from daxfuzz.sim.world import World


class Shared:
    """A piece of shared state. Its whole state goes through :meth:`state` and :meth:`restore`.

    The world puts all objects back to their sealed state before each execution, and the states of all objects
    together are the shared half of an exhaustive search's key, so nothing that tasks change may live elsewhere.
    """

    __slots__ = ("log", "name", "world")

    GUARDED: tuple[str, ...] = ()
    """Attributes that hold shared state; in the checking mode only a declared access may touch them."""

    PASSENGER = False
    """Changed as part of other objects' steps, too (an unlock that turns interrupts on); or looked at on arrival."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.log = world.log
        world.adopt(self)

    def state(self) -> Hashable:
        """The current state, as an immutable value."""
        raise NotImplementedError

    def restore(self, state: Hashable) -> None:
        """Put back a value that :meth:`state` returned."""
        raise NotImplementedError

    def owners(self) -> tuple[int, ...]:
        """Indices of the tasks that a task blocked here waits for; empty when nobody in particular."""
        return ()

    def point(self, access: Access, verb: str) -> Point:
        """A Point of this object, to be built once and kept."""
        return Point(self, access, verb)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"
