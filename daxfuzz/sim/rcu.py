"""Read-side sections and grace periods: RCU, and SRCU as a domain of its own."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim.point import Access, Point
from daxfuzz.sim.shared import Shared

if TYPE_CHECKING:
    from daxfuzz.sim.task import Task
    from daxfuzz.sim.world import World


class Rcu(Shared):
    """One domain. Sections nest; synchronize waits for the sections that were open when it began, not for later ones.

    Sections are counted per task, so that their beginnings and ends commute.

    atomic: a section is an atomic context, in which its task must not sleep, as one of RCU is; one of SRCU is none.

    readers: per task, how many sections it is in.
    waiting: per synchronizing task, the readers it still waits for.
    on_sleep: observer, called with (domain, task) when a task that must not sleep arrives at a wait for a grace
        period.
    on_synchronize: observer, called with (task, whether it is over) when a grace period begins, and when it has ended.
    """

    __slots__ = (
        "_lock",
        "_sync",
        "_unlock",
        "_wait",
        "atomic",
        "on_sleep",
        "on_synchronize",
        "readers",
        "waiting",
    )
    GUARDED = ("readers", "waiting")
    TRACKED = True

    def __init__(self, world: World, name: str, atomic: bool = False) -> None:
        super().__init__(world, name)
        self.atomic = atomic
        self.readers: dict[int, int] = {}
        self.waiting: dict[int, list[int]] = {}
        self.on_sleep: Callable[[Rcu, Task], None] | None = None
        self.on_synchronize: Callable[[Task, bool], None] | None = None
        self._lock = self.point(Access.ADD, "read_lock")
        self._unlock = self.point(Access.ADD, "read_unlock")
        self._sync = self.point(Access.UPDATE, "synchronize")
        self._wait = self.point(Access.SLEEP, "grace_period")

    @types.coroutine
    def read_lock(self) -> Generator[Point, None, None]:
        """Open a section."""
        if not self.world.goes_on(self._lock):
            yield self._lock
        task = self.world.current
        me = task.index
        self.readers[me] = self.readers.get(me, 0) + 1
        if self.atomic:
            task.atomic += 1
        if self.clean:
            self.touch()

    @types.coroutine
    def read_unlock(self) -> Generator[Point, None, None]:
        """Close the innermost section."""
        if not self.world.goes_on(self._unlock):
            yield self._unlock
        task = self.world.current
        me = task.index
        if self.atomic:
            task.atomic -= 1
        left = self.readers[me] - 1
        if left:
            self.readers[me] = left
            return
        del self.readers[me]
        if self.waiting:
            for waiter, readers in sorted(self.waiting.items()):
                if me in readers:
                    readers.remove(me)
                    if not readers:
                        self.world.enable(self.world.tasks[waiter])

    @types.coroutine
    def synchronize(self) -> Generator[Point, None, None]:
        """Wait until every section that is open now has closed: two steps."""
        me = self.world.current
        if (me.atomic or me.irq_depth) and self.on_sleep is not None:
            self.on_sleep(self, me)
        yield self._sync
        if self.clean:
            self.touch()
        if self.on_synchronize is not None:
            self.on_synchronize(me, False)
        self.waiting[me.index] = sorted(self.readers)
        if self.readers:
            self.world.block(me, self)
        yield self._wait
        del self.waiting[me.index]
        if self.on_synchronize is not None:
            self.on_synchronize(me, True)

    def read_by(self, task: int) -> bool:
        """Whether the task with an index is in a section, for observers of a step of that task. Nobody else can change
        that, so it is no look at the domain (record_looks)."""
        return task in _readers_of(self)

    def owners(self) -> tuple[int, ...]:
        return tuple(sorted({reader for readers in self.waiting.values() for reader in readers}))

    def state(self) -> Hashable:
        return tuple(sorted(self.readers.items())), tuple(
            (waiter, tuple(readers)) for waiter, readers in sorted(self.waiting.items())
        )

    def restore(self, state: Any) -> None:
        assert state == ((), ()), "a world is sealed with no section open"
        self.readers.clear()
        self.waiting.clear()


# Past what a mode puts in the place of the attribute.
_readers_of = vars(Rcu)["readers"].__get__
