"""The i_pages xarray and its operation state (lib/xarray.c, v6.0), for entries of order 0."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Generator, Hashable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from daxfuzz.kernel.entry import Entry
from daxfuzz.sim import Access, Point, Shared, SpinLock

if TYPE_CHECKING:
    from daxfuzz.sim import Interrupts, World


class Mark(StrEnum):
    """Page-cache tags."""

    DIRTY = "dirty"
    TOWRITE = "towrite"


class XArray(Shared):
    """Index to entry, with marks, under an irq-safe spinlock that callers take themselves.

    watch: called with (index, old, new) after each store.
    """

    __slots__ = ("_find", "_load", "_mark", "_store", "entries", "lock", "marks", "watch")
    GUARDED = ("entries", "marks")

    def __init__(self, world: World, name: str, interrupts: Interrupts) -> None:
        super().__init__(world, name)
        self.entries: dict[int, Entry] = {}
        self.marks: dict[Mark, list[int]] = {mark: [] for mark in Mark}
        self.lock = SpinLock(world, f"{name}.xa_lock", "xa_lock", interrupts)
        self.watch: Callable[[int, Entry | None, Entry | None], None] | None = None
        self._load = self.point(Access.READ, "load")
        self._find = self.point(Access.READ, "find")
        self._store = self.point(Access.WRITE, "store")
        self._mark = self.point(Access.WRITE, "mark")

    @types.coroutine
    def load(self, index: int) -> Generator[Point, None, Entry | None]:
        """The entry at an index."""
        yield self._load
        entry = self.entries.get(index)
        self.log.append(entry)
        return entry

    @types.coroutine
    def find(self, first: int, last: int, mark: Mark | None = None) -> Generator[Point, None, tuple[int, Entry] | None]:
        """The first present (with `mark`: marked) entry from `first` to `last`, both included, and its index."""
        yield self._find
        found = None
        for index in range(first, last + 1):
            if index in self.entries and (mark is None or index in self.marks[mark]):
                found = (index, self.entries[index])
                break
        self.log.append(found)
        return found

    @types.coroutine
    def store(self, index: int, entry: Entry | None) -> Generator[Point, None, Entry | None]:
        """Store an entry, or erase it and its marks with None; returns the old one."""
        yield self._store
        old = self.entries.get(index)
        self.log.append(old)
        if entry is None:
            self.entries.pop(index, None)
            for indices in self.marks.values():
                if index in indices:
                    indices.remove(index)
        else:
            self.entries[index] = entry
        if self.watch is not None:
            self.watch(index, old, entry)
        return old

    @types.coroutine
    def set_mark(self, index: int, mark: Mark) -> Generator[Point, None, None]:
        """Set a mark on a present entry."""
        yield self._mark
        if index in self.entries and index not in self.marks[mark]:
            self.marks[mark].append(index)
            self.marks[mark].sort()

    @types.coroutine
    def clear_mark(self, index: int, mark: Mark) -> Generator[Point, None, None]:
        """Clear a mark."""
        yield self._mark
        if index in self.marks[mark]:
            self.marks[mark].remove(index)

    @types.coroutine
    def get_mark(self, index: int, *marks: Mark) -> Generator[Point, None, bool]:
        """Whether the entry at an index has any of the marks."""
        yield self._load
        marked = any(index in self.marks[mark] for mark in marks)
        self.log.append(marked)
        return marked

    @types.coroutine
    def tag_for_writeback(self, first: int, last: int) -> Generator[Point, None, None]:
        """tag_pages_for_writeback, below its lock: every dirty entry of the range gets TOWRITE."""
        yield self._mark
        both = {*self.marks[Mark.TOWRITE], *(i for i in self.marks[Mark.DIRTY] if first <= i <= last)}
        self.marks[Mark.TOWRITE] = sorted(both)

    @types.coroutine
    def marked(self, mark: Mark) -> Generator[Point, None, bool]:
        """mapping_tagged: whether any entry has the mark; without the lock."""
        yield self._load
        marked = bool(self.marks[mark])
        self.log.append(marked)
        return marked

    @types.coroutine
    def empty(self) -> Generator[Point, None, bool]:
        """mapping_empty: without the lock."""
        yield self._load
        empty = not self.entries
        self.log.append(empty)
        return empty

    def state(self) -> Hashable:
        return tuple(sorted(self.entries.items())), tuple(tuple(self.marks[mark]) for mark in Mark)

    def restore(self, state: Hashable) -> None:
        entries, marks = cast(Any, state)
        self.entries = dict(entries)
        self.marks = {mark: list(indices) for mark, indices in zip(Mark, marks, strict=True)}


class XaState:
    """XA_STATE: one task's position in an xarray.

    walked: whether it stands on a slot; else the next operation walks afresh to `index` (XAS_RESTART).
    """

    __slots__ = ("index", "walked", "xarray")

    def __init__(self, xarray: XArray, index: int) -> None:
        self.xarray = xarray
        self.index = index
        self.walked = False

    def load(self) -> Awaitable[Entry | None]:
        """xas_load"""
        self.walked = True
        return self.xarray.load(self.index)

    async def find(self, last: int, mark: Mark | None = None) -> Entry | None:
        """The step of xas_for_each and xas_for_each_marked: the entry at or after the position, up to `last`.

        On a slot it first moves on by one, as xas_next_entry does.
        """
        found = await self.xarray.find(self.index + 1 if self.walked else self.index, last, mark)
        if found is None:
            return None
        self.index, entry = found
        self.walked = True
        return entry

    async def find_conflict(self) -> Entry | None:
        """xas_find_conflict: the entry that a store here would replace.

        A state that has already walked to an order-0 slot returns the next conflicting entry of its range, of which
        an order-0 range has none. So inside a walk this is None, whatever the slot holds.
        """
        if self.walked:
            return None
        return await self.load()

    def store(self, entry: Entry | None) -> Awaitable[Entry | None]:
        """xas_store"""
        self.walked = True
        return self.xarray.store(self.index, entry)

    def reset(self) -> None:
        """xas_reset: walk afresh to the same index."""
        self.walked = False

    def pause(self) -> None:
        """xas_pause: walk afresh, from the index after this one."""
        self.walked = False
        self.index += 1
