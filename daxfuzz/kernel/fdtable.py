"""Descriptor tables (fs/file.c, v6.0)."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim import Access, Point, Shared, SpinLock

if TYPE_CHECKING:
    from daxfuzz.sim import World


class FdTable(Shared):
    """files_struct: which files a process has open, by inode number; at most one descriptor a file.

    lock: file_lock. Who takes a file out, or a reference of a file that is in, holds it.
    on_walk: called in each step of close and all.
    """

    __slots__ = ("_close", "_look", "lock", "on_walk", "open")
    GUARDED = ("open",)
    TRACKED = True
    ARRIVAL = True

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.open: tuple[int, ...] = ()
        self.lock = SpinLock(world, f"{name}.file_lock", "file_lock")
        self.on_walk: Callable[[], None] | None = None
        self._look = self.point(Access.READ, "fget")
        self._close = self.point(Access.UPDATE, "close_fd")

    def has(self, number: int) -> bool:
        """The look of a process of one thread at its own table: no step, since nobody else can change it."""
        return number in self.open

    @types.coroutine
    def look(self, number: int) -> Generator[Point, None, bool]:
        """Whether a file is open; without a lock."""
        yield self._look
        found = number in self.open
        self.log.append(found)
        return found

    @types.coroutine
    def close(self, number: int) -> Generator[Point, None, bool]:
        """Take a file out of the table: whether it was there."""
        yield self._close
        if self.on_walk is not None:
            self.on_walk()
        found = number in self.open
        self.log.append(found)
        self.open = tuple(other for other in self.open if other != number)
        if self.clean:
            self.touch()
        return found

    @types.coroutine
    def all(self) -> Generator[Point, None, tuple[int, ...]]:
        """All open files."""
        yield self._look
        if self.on_walk is not None:
            self.on_walk()
        self.log.append(self.open)
        return self.open

    @types.coroutine
    def fill(self, numbers: tuple[int, ...]) -> Generator[Point, None, None]:
        """Make these the open files of a table that nobody else uses yet, or any more."""
        yield self._close
        self.open = numbers
        if self.clean:
            self.touch()

    def state(self) -> Hashable:
        return self.open

    def restore(self, state: Any) -> None:
        self.open = state
