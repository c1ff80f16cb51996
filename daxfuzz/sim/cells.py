"""Plain and atomic variables."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from daxfuzz.sim.point import Access, Point
from daxfuzz.sim.shared import Shared

if TYPE_CHECKING:
    from daxfuzz.sim.world import World

T = TypeVar("T", bound=Hashable)


class Cell(Shared, Generic[T]):
    """A variable with plain loads and stores, sequentially consistent. Values are immutable.

    watch: called with (old, new) after each store, apart from an exchange that finds what it would store.
    """

    __slots__ = ("_read", "_write", "value", "watch")
    GUARDED = ("value",)
    TRACKED = True

    def __init__(self, world: World, name: str, value: T) -> None:
        super().__init__(world, name)
        self.value = value
        self.watch: Callable[[T, T], None] | None = None
        self._read = self.point(Access.READ, "read")
        self._write = self.point(Access.WRITE, "write")

    @types.coroutine
    def read(self) -> Generator[Point, None, T]:
        """Load the value."""
        if not self.world.goes_on(self._read):
            yield self._read
        value = self.value
        self.log.append(value)
        return value

    @types.coroutine
    def write(self, value: T) -> Generator[Point, None, None]:
        """Store a value."""
        if not self.world.goes_on(self._write):
            yield self._write
        old = self.value
        self.value = value
        if self.clean:
            self.touch()
        watch = self.watch
        if watch is not None:
            watch(old, value)

    @types.coroutine
    def exchange(self, value: T) -> Generator[Point, None, T]:
        """Store a value and return the one it replaced, in one step."""
        if not self.world.goes_on(self._write):
            yield self._write
        old = self.value
        self.log.append(old)
        if old is not value:
            self.value = value
            if self.clean:
                self.touch()
            watch = self.watch
            if watch is not None:
                watch(old, value)
        return old

    def state(self) -> Hashable:
        return self.value

    def restore(self, state: Any) -> None:
        self.value = state


class ObservedCell(Cell[T]):
    """A variable whose loads matter, too.

    watch_read: called in each step that loads the value, but for those of :meth:`read_once`.
    """

    __slots__ = ("watch_read",)

    def __init__(self, world: World, name: str, value: T) -> None:
        super().__init__(world, name, value)
        self.watch_read: Callable[[], None] | None = None

    @types.coroutine
    def read(self) -> Generator[Point, None, T]:
        """Load the value."""
        if not self.world.goes_on(self._read):
            yield self._read
        value = self.value
        self.log.append(value)
        watch_read = self.watch_read
        if watch_read is not None:
            watch_read()
        return value

    @types.coroutine
    def exchange(self, value: T) -> Generator[Point, None, T]:
        """Store a value and return the one it replaced, in one step, which loads, too."""
        if not self.world.goes_on(self._write):
            yield self._write
        old = self.value
        self.log.append(old)
        if self.watch_read is not None:
            self.watch_read()
        if old is not value:
            self.value = value
            if self.clean:
                self.touch()
            watch = self.watch
            if watch is not None:
                watch(old, value)
        return old

    read_once = Cell.read
    """Load the value, with no lock (READ_ONCE)."""


class GuardedCell(ObservedCell[T]):
    """A variable that a lock protects, also while it is only looked at: each load but read_once has it held."""

    __slots__ = ()


class Atomic(Shared):
    """An atomic integer with Linux's operations (atomic_t).

    watch: called with (old, new) after each change.
    """

    __slots__ = ("_add", "_read", "_update", "_write", "value", "watch")
    GUARDED = ("value",)
    TRACKED = True

    def __init__(self, world: World, name: str, value: int = 0) -> None:
        super().__init__(world, name)
        self.value = value
        self.watch: Callable[[int, int], None] | None = None
        self._read = self.point(Access.READ, "read")
        self._write = self.point(Access.WRITE, "set")
        self._add = self.point(Access.ADD, "add")
        self._update = self.point(Access.UPDATE, "update")

    @types.coroutine
    def read(self) -> Generator[Point, None, int]:
        """atomic_read"""
        if not self.world.goes_on(self._read):
            yield self._read
        value = self.value
        self.log.append(value)
        return value

    @types.coroutine
    def set(self, value: int) -> Generator[Point, None, None]:
        """atomic_set"""
        if not self.world.goes_on(self._write):
            yield self._write
        old = self.value
        self.value = value
        if self.clean:
            self.touch()
        watch = self.watch
        if watch is not None:
            watch(old, value)

    @types.coroutine
    def add(self, n: int) -> Generator[Point, None, None]:
        """atomic_add: returns nothing, so two of them commute."""
        if not self.world.goes_on(self._add):
            yield self._add
        old = self.value
        self.value = value = old + n
        if self.clean:
            self.touch()
        watch = self.watch
        if watch is not None:
            watch(old, value)

    @types.coroutine
    def add_return(self, n: int) -> Generator[Point, None, int]:
        """atomic_add_return: the new value."""
        if not self.world.goes_on(self._update):
            yield self._update
        old = self.value
        self.value = value = old + n
        self.log.append(value)
        if self.clean:
            self.touch()
        watch = self.watch
        if watch is not None:
            watch(old, value)
        return value

    @types.coroutine
    def cmpxchg(self, old: int, new: int) -> Generator[Point, None, bool]:
        """atomic_cmpxchg: whether the value was `old` and is `new` now."""
        if not self.world.goes_on(self._update):
            yield self._update
        same = self.value == old
        self.log.append(same)
        if not same:
            return False
        self.value = new
        if self.clean:
            self.touch()
        watch = self.watch
        if watch is not None:
            watch(old, new)
        return True

    @types.coroutine
    def add_unless_zero(self, n: int) -> Generator[Point, None, bool]:
        """atomic_add_unless(v, n, 0): False, and no change, if the value is 0."""
        if not self.world.goes_on(self._update):
            yield self._update
        value = self.value
        self.log.append(value)
        if value == 0:
            return False
        self.value = value + n
        if self.clean:
            self.touch()
        watch = self.watch
        if watch is not None:
            watch(value, value + n)
        return True

    def state(self) -> Hashable:
        return self.value

    def restore(self, state: Any) -> None:
        self.value = state
