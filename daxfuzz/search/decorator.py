"""What schedulers that wrap another one share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from daxfuzz.sim import Scheduler

if TYPE_CHECKING:
    from daxfuzz.sim import World


class Decorator(Scheduler):
    """Passes everything on to `inner`.

    It has no script itself but plays that of `inner`, as a host would, so that it is asked at every turn. Subclasses
    override :meth:`next_task`, call this one, and see all turns.
    """

    def __init__(self, inner: Scheduler) -> None:
        self.inner = inner
        self._left: Iterator[int] = iter(())

    def new_execution(self, world: World) -> None:
        self.inner.new_execution(world)
        self._left = iter(self.inner.script())

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        scripted = next(self._left, None)
        if scripted is not None:
            if scripted in enabled:
                return scripted
            self._left = iter(())
        return self.inner.next_task(enabled, current)
