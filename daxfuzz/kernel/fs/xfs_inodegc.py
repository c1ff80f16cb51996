"""The queue of files that are gone, but still have blocks (fs/xfs/xfs_icache.c, v6.0)."""

from __future__ import annotations

import types
from collections.abc import Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim import Access, Point, Shared

if TYPE_CHECKING:
    from daxfuzz.sim import Task, World


class InodeGc(Shared):
    """mp->m_inodegc of one processor, and its worker's state. Files go by their numbers.

    queued: files that the worker has not begun with, the first that came first.
    running: files whose blocks are being freed.
    enabled: the worker may begin with more (xfs_is_inodegc_enabled).
    idle: workers that wait for a file. draining: who waits for the workers to end.
    """

    __slots__ = ("_done", "_drain", "_queue", "_switch", "_take", "draining", "enabled", "idle", "queued", "running")
    GUARDED = ("draining", "enabled", "idle", "queued", "running")
    ARRIVAL = True
    TRACKED = True

    def __init__(self, world: World) -> None:
        super().__init__(world, "inodegc")
        self.queued: list[int] = []
        self.running: list[int] = []
        self.enabled = True
        self.idle: list[Task] = []
        self.draining: list[Task] = []
        self._queue = self.point(Access.UPDATE, "queue")
        self._take = self.point(Access.UPDATE, "take")
        self._done = self.point(Access.UPDATE, "done")
        self._drain = self.point(Access.UPDATE, "drain")
        self._switch = self.point(Access.UPDATE, "switch")

    @types.coroutine
    def queue(self, number: int) -> Generator[Point, None, None]:
        """xfs_inodegc_queue"""
        yield self._queue
        if self.clean:
            self.touch()
        self.queued.append(number)
        self._update()

    @types.coroutine
    def take(self) -> Generator[Point, None, int]:
        """The worker waits until it may begin with a file, and does."""
        me = self.world.current
        if self.clean:
            self.touch()
        self.idle.append(me)
        if not (self.enabled and self.queued):
            self.world.block(me, self)
        yield self._take
        self.idle.remove(me)
        number = self._begin()
        self.log.append(number)
        return number

    @types.coroutine
    def done(self, number: int) -> Generator[Point, None, None]:
        """The blocks of a file are free."""
        yield self._done
        self.running.remove(number)
        self._update()

    @types.coroutine
    def stop(self) -> Generator[Point, None, None]:
        """xfs_inodegc_stop, up to the wait."""
        yield self._switch
        if self.clean:
            self.touch()
        self.enabled = False
        self._update()

    @types.coroutine
    def drain(self) -> Generator[Point, None, int | None]:
        """drain_workqueue: wait until no worker is busy, or do the next file oneself: None if there is none left."""
        me = self.world.current
        if self.clean:
            self.touch()
        self.draining.append(me)
        if self.running and not self.queued:
            self.world.block(me, self)
        yield self._drain
        self.draining.remove(me)
        number = self._begin() if self.queued else None
        self.log.append(number)
        return number

    @types.coroutine
    def start(self) -> Generator[Point, None, None]:
        """xfs_inodegc_start"""
        yield self._switch
        self.enabled = True
        self._update()

    def _begin(self) -> int:
        number = self.queued.pop(0)
        self.running.append(number)
        self._update()
        return number

    def _update(self) -> None:
        """Let those go on who can, and nobody else."""
        for task in self.idle:
            (self.world.enable if self.enabled and self.queued else self._block)(task)
        for task in self.draining:
            (self.world.enable if self.queued or not self.running else self._block)(task)

    def _block(self, task: Task) -> None:
        self.world.block(task, self)

    def state(self) -> Hashable:
        return tuple(self.queued), tuple(self.running), self.enabled

    def restore(self, state: Any) -> None:
        queued, running, self.enabled = state
        self.queued = list(queued)
        self.running = list(running)
        self.idle = []
        self.draining = []
