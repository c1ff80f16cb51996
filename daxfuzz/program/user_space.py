"""Where a task is between two calls."""

from __future__ import annotations

import types
from collections.abc import Generator, Hashable
from typing import TYPE_CHECKING

from daxfuzz.sim import Access, Point, Shared

if TYPE_CHECKING:
    from daxfuzz.sim import World


class UserSpace(Shared):
    """One task's user space. Touches nothing that others see: a task rests here until it gets the turn to call."""

    __slots__ = ("_call",)

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._call = self.point(Access.READ, "call")

    @types.coroutine
    def call(self) -> Generator[Point, None, None]:
        """The next call begins with this step."""
        yield self._call

    def state(self) -> Hashable:
        return ()

    def restore(self, state: Hashable) -> None:
        return
