"""percpu_rw_semaphore (Linux: kernel/locking/percpu-rwsem.c), as the levels of a file-system freeze use it."""

from __future__ import annotations

import types
from collections.abc import Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim.locks import Lock
from daxfuzz.sim.task import Task

if TYPE_CHECKING:
    from daxfuzz.sim.point import Point
    from daxfuzz.sim.world import World


class PercpuRwSemaphore(Lock):
    """Readers go ahead until a writer bars them; it then waits for those inside.

    The writer's hold belongs to no task: whoever freezes returns to user space with it, and anybody may thaw.

    barred: a writer waits or is in; who comes now waits, a further writer, too.
    writer: the task that waits for the readers inside, None once it is in.
    """

    __slots__ = ("_bar", "_drain", "barred", "readers", "waiting", "writer")
    GUARDED: tuple[str, ...] = ("barred", "readers", "waiting", "writer")

    def __init__(self, world: World, name: str, lock_class: str | None = None) -> None:
        super().__init__(world, name, lock_class)
        self._bar = self.point(self._acquire.access, "block")
        self._drain = self.point(self._acquire.access, "drain")
        self.barred = False
        self.readers: list[Task] = []
        self.waiting: list[Task] = []
        self.writer: Task | None = None

    @types.coroutine
    def down_read(self) -> Generator[Point, None, None]:
        """percpu_down_read, not interruptible: one step, as soon as no writer bars the way."""
        world = self.world
        me = world.current
        if (me.atomic or me.irq_depth) and self.on_sleep is not None:
            self.on_sleep(self, me)
        if self.barred or not world.goes_on(self._acquire):
            if self.barred:
                world.block(me, self)
            self.waiting.append(me)
            yield self._acquire
            self.waiting.remove(me)
        self.readers.append(me)
        held = me.held
        if held and (held[-1] not in self.outer or me.subclasses):
            self._nest(me, 0)
        else:
            held.append(self)

    @types.coroutine
    def up_read(self) -> Generator[Point, None, None]:
        """percpu_up_read"""
        if not self.world.goes_on(self._release):
            yield self._release
        me = self.world.current
        if me not in self.readers:
            raise RuntimeError(f"{me.name} releases {self.name}, which it does not hold")
        self.readers.remove(me)
        if not self.readers and self.writer is not None:
            self.world.enable(self.writer)
        held = me.held
        if held[-1] is self and not me.subclasses:
            held.pop()
        else:
            self._forget(me)
        if self.on_release is not None:
            self.on_release(self, me)

    @types.coroutine
    def down_write(self) -> Generator[Point, None, None]:
        """percpu_down_write, not interruptible: bar new readers, then wait for those inside. One writer at a time."""
        me = self.world.current
        if self.barred:
            self.world.block(me, self)
        self.waiting.append(me)
        yield self._bar
        self.waiting.remove(me)
        self._refuse_own(me)
        # It stays barred although no task holds it.
        if self.clean:
            self.touch()
        self.barred = True
        self.writer = me
        for task in self.waiting:
            self.world.block(task, self)
        if self.readers:
            self.world.block(me, self)
        yield self._drain
        self.writer = None

    @types.coroutine
    def up_write(self) -> Generator[Point, None, None]:
        """percpu_up_write. Raises RuntimeError if no writer is in."""
        yield self._release
        if not self.frozen():
            raise RuntimeError(f"{self.world.current.name} releases {self.name}, which no writer holds")
        self.barred = False
        for task in self.waiting:
            self.world.enable(task)

    def held_exclusively(self) -> bool:
        return self.frozen()

    def frozen(self) -> bool:
        """Whether a writer is in; for observers."""
        return self.barred and self.writer is None

    def owners(self) -> tuple[int, ...]:
        """Whom the writer waits for, who in turn bars the readers."""
        inside = {task.index for task in self.readers}
        return tuple(sorted(inside)) if self.writer is not None else ()

    def state(self) -> Hashable:
        inside = tuple(sorted(task.index for task in self.readers))
        return self.barred, -1 if self.writer is None else self.writer.index, inside

    def restore(self, state: Any) -> None:
        self.barred = False
        self.writer = None
        self.readers.clear()
        self.waiting.clear()
