"""percpu_ref (Linux: lib/percpu-refcount.c), without the per-processor counters: they change speed, not meaning."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim.point import Access, Point
from daxfuzz.sim.shared import Shared
from daxfuzz.sim.violation import Violation

if TYPE_CHECKING:
    from daxfuzz.sim.world import World


class PercpuRef(Shared):
    """Live, then dying after :meth:`kill`, then drained when the count reaches 0.

    release: called once, in the step whose put drains the reference. A method of a shared object touches that one;
        of anything else nobody knows what it touches, and puts are wide.
    on_tryget_live: called in each step of tryget_live.
    """

    __slots__ = (
        "_get",
        "_is_dying",
        "_kill",
        "_put",
        "_tryget",
        "_tryget_live",
        "count",
        "dying",
        "on_tryget_live",
        "release",
    )
    GUARDED = ("count", "dying")
    TRACKED = True

    def __init__(self, world: World, name: str, release: Callable[[], None], count: int = 1) -> None:
        super().__init__(world, name)
        self.count = count
        self.dying = False
        self.release = release
        self.on_tryget_live: Callable[[], None] | None = None
        self._tryget = self.point(Access.UPDATE, "tryget")
        self._tryget_live = self.point(Access.ADD, "tryget_live")
        self._is_dying = self.point(Access.READ, "is_dying")
        self._get = self.point(Access.ADD, "get")
        receiver = getattr(release, "__self__", None)
        also = ((receiver, Access.UPDATE),) if isinstance(receiver, Shared) else ()
        self._put = self.point(Access.UPDATE, "put", *also, wide=not also)
        self._kill = self.point(Access.UPDATE, "kill", *also, wide=not also)

    @types.coroutine
    def tryget_live(self, n: int = 1) -> Generator[Point, None, bool]:
        """Take `n` references unless the reference is dying; whether it is depends on the kill alone."""
        if not self.world.goes_on(self._tryget_live):
            yield self._tryget_live
        if self.on_tryget_live is not None:
            self.on_tryget_live()
        live = not self.dying
        self.log.append(live)
        if live:
            self.count += n
            if self.clean:
                self.touch()
        return live

    @types.coroutine
    def tryget(self) -> Generator[Point, None, bool]:
        """Take a reference unless the count is 0; a dying one can still be taken."""
        if not self.world.goes_on(self._tryget):
            yield self._tryget
        taken = self.count > 0
        self.log.append(taken)
        if taken:
            self.count += 1
            if self.clean:
                self.touch()
        return taken

    @types.coroutine
    def is_dying(self) -> Generator[Point, None, bool]:
        """Whether it has been killed."""
        if not self.world.goes_on(self._is_dying):
            yield self._is_dying
        self.log.append(self.dying)
        return self.dying

    @types.coroutine
    def get(self, n: int = 1) -> Generator[Point, None, None]:
        """Take `n` more references; the caller has one already."""
        if not self.world.goes_on(self._get):
            yield self._get
        self.count += n
        if self.clean:
            self.touch()

    @types.coroutine
    def put(self, n: int = 1) -> Generator[Point, None, None]:
        """Drop `n` references. Raises Violation("refcount-underflow") below 0."""
        if not self.world.goes_on(self._put):
            yield self._put
        self._drop(n)

    @types.coroutine
    def kill(self) -> Generator[Point, None, None]:
        """From here on tryget_live fails; drops the initial reference."""
        yield self._kill
        self.dying = True
        self._drop(1)

    def _drop(self, n: int) -> None:
        self.count -= n
        if self.clean:
            self.touch()
        if self.count < 0:
            raise Violation("refcount-underflow", f"{self.name} drops to {self.count}")
        if self.count == 0 and self.dying:
            self.release()

    def state(self) -> Hashable:
        return self.count, self.dying

    def restore(self, state: Any) -> None:
        self.count, self.dying = state
