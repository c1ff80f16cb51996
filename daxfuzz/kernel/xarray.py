"""The i_pages xarray and its operation state (lib/xarray.c, v6.0), multi-index entries included."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Generator, Hashable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from daxfuzz.kernel.entry import Entry
from daxfuzz.sim import Access, Point, Shared, SpinLock

if TYPE_CHECKING:
    from daxfuzz.kernel.machine import Machine
    from daxfuzz.sim import Interrupts, World


class Mark(StrEnum):
    """Page-cache tags."""

    DIRTY = "dirty"
    TOWRITE = "towrite"


class Found(NamedTuple):
    """What a walk stands on. at: where in its slot it met the entry; end: the first index behind the slot."""

    at: int
    entry: Entry
    end: int


class XArray(Shared):
    """Index to entry, with marks, under an irq-safe spinlock that callers take themselves.

    A slot covers one index or, for a multi-index entry, an aligned range; it is named by its first index.

    entries: by the first index of their slot.
    spans: number of indices of each slot that covers more than one.
    marks: per mark the first indices of the slots that have it.
    watch: called with (first index, old, new) after each store.
    watch_marks: called in each step that changes marks, with whether it marks a single entry (faults do).
    watch_find: called in each step that walks over a range.
    watch_walk: called in each step that walks to an entry, or over a range, outside of all spinlocks and sections of
        RCU.
    """

    __slots__ = (
        "_find",
        "_free",
        "_load",
        "_mark",
        "_sizes",
        "_store",
        "entries",
        "lock",
        "marks",
        "spans",
        "watch",
        "watch_find",
        "watch_marks",
        "watch_walk",
    )
    GUARDED = ("entries", "marks", "spans")

    def __init__(self, world: World, name: str, interrupts: Interrupts, machine: Machine) -> None:
        super().__init__(world, name)
        self.entries: dict[int, Entry] = {}
        self.spans: dict[int, int] = {}
        self.marks: dict[Mark, list[int]] = {mark: [] for mark in Mark}
        self.lock = SpinLock(world, f"{name}.xa_lock", "xa_lock", interrupts)
        self.watch: Callable[[int, Entry | None, Entry | None], None] | None = None
        self.watch_marks: Callable[[bool], None] | None = None
        self.watch_find: Callable[[], None] | None = None
        self.watch_walk: Callable[[], None] | None = None
        self._sizes = (machine.pmd_pages, machine.pud_pages)
        self._load = self.point(Access.READ, "load")
        self._find = self.point(Access.READ, "find")
        self._store = self.point(Access.WRITE, "store")
        self._mark = self.point(Access.WRITE, "mark")
        self._free = self.point(Access.WRITE, "free", wide=True)

    def head(self, index: int) -> int | None:
        """First index of the slot that covers an index, None if nothing is there."""
        if index in self.entries:
            return index
        if self.spans:
            for size in self._sizes:
                first = index - index % size
                if self.spans.get(first, 0) > index - first:
                    return first
        return None

    def _first(self, first: int, last: int, mark: Mark | None) -> Found | None:
        entries, spans = self.entries, self.spans
        for index in range(first, last + 1) if entries else ():
            head = index if index in entries or not spans else self.head(index)
            if head in entries and (mark is None or head in self.marks[mark]):
                return Found(index, entries[head], head + spans.get(head, 1))
        return None

    @types.coroutine
    def load(self, index: int, walks: bool = False) -> Generator[Point, None, Entry | None]:
        """The entry at an index: xa_load, which has a section of RCU of its own; walks: xas_load, which has none."""
        if not self.world.goes_on(self._load):
            yield self._load
        if walks and not self.world.current.atomic and self.watch_walk is not None:
            self.watch_walk()
        head = self.head(index)
        entry = None if head is None else self.entries[head]
        self.log.append(entry)
        return entry

    @types.coroutine
    def find(self, first: int, last: int, mark: Mark | None = None) -> Generator[Point, None, Found | None]:
        """The first present (with `mark`: marked) entry from `first` to `last`, both included."""
        if not self.world.goes_on(self._find):
            yield self._find
        if self.watch_find is not None:
            self.watch_find()
        if not self.world.current.atomic and self.watch_walk is not None:
            self.watch_walk()
        found = self._first(first, last, mark)
        self.log.append(found)
        return found

    @types.coroutine
    def store(self, index: int, entry: Entry | None, span: int = 1) -> Generator[Point, None, Entry | None]:
        """Store an entry, or erase it and its marks with None; returns the old one.

        A slot that covers the index keeps its size, and is erased as a whole; else the new one gets `span` indices.
        """
        if not self.world.goes_on(self._store):
            yield self._store
        head = self.head(index)
        old = None if head is None else self.entries[head]
        self.log.append(old)
        if head is None:
            head = index
        if entry is None:
            self.entries.pop(head, None)
            if self.spans:
                self.spans.pop(head, None)
            for indices in self.marks.values():
                if head in indices:
                    indices.remove(head)
        else:
            self.entries[head] = entry
            if span > 1:
                self.spans[head] = max(span, self.spans.get(head, 1))
        watch = self.watch
        if watch is not None:
            watch(head, old, entry)
        return old

    @types.coroutine
    def set_mark(self, index: int, mark: Mark) -> Generator[Point, None, None]:
        """Set a mark on a present entry."""
        if not self.world.goes_on(self._mark):
            yield self._mark
        head = self.head(index)
        if head is not None and head not in self.marks[mark]:
            self.marks[mark].append(head)
            self.marks[mark].sort()
        if self.watch_marks is not None:
            self.watch_marks(True)

    @types.coroutine
    def clear_mark(self, index: int, mark: Mark) -> Generator[Point, None, None]:
        """Clear a mark."""
        if not self.world.goes_on(self._mark):
            yield self._mark
        head = self.head(index)
        if head in self.marks[mark]:
            self.marks[mark].remove(head)
        if self.watch_marks is not None:
            self.watch_marks(False)

    @types.coroutine
    def get_mark(self, index: int, *marks: Mark) -> Generator[Point, None, bool]:
        """Whether the entry at an index has any of the marks."""
        if not self.world.goes_on(self._load):
            yield self._load
        head = self.head(index)
        marked = any(head in self.marks[mark] for mark in marks)
        self.log.append(marked)
        return marked

    @types.coroutine
    def tag_for_writeback(self, first: int, last: int) -> Generator[Point, None, None]:
        """tag_pages_for_writeback, below its lock: every dirty entry of the range gets TOWRITE."""
        if not self.world.goes_on(self._mark):
            yield self._mark
        heads = [self.head(index) for index in range(first, last + 1)]
        both = {*self.marks[Mark.TOWRITE], *(head for head in self.marks[Mark.DIRTY] if head in heads)}
        self.marks[Mark.TOWRITE] = sorted(both)
        if self.watch_marks is not None:
            self.watch_marks(False)

    @types.coroutine
    def marked(self, mark: Mark) -> Generator[Point, None, bool]:
        """mapping_tagged: whether any entry has the mark; without the lock."""
        if not self.world.goes_on(self._load):
            yield self._load
        marked = bool(self.marks[mark])
        self.log.append(marked)
        return marked

    @types.coroutine
    def empty(self) -> Generator[Point, None, bool]:
        """mapping_empty: without the lock."""
        if not self.world.goes_on(self._load):
            yield self._load
        empty = not self.entries
        self.log.append(empty)
        return empty

    @types.coroutine
    def only_head(self) -> Generator[Point, None, bool]:
        """Whether there is an entry, and xa_head has it, as only one of a page at index 0: mapping_shrinkable, but not
        mapping_empty; without the lock."""
        if not self.world.goes_on(self._load):
            yield self._load
        only = list(self.entries) == [0] and self.spans.get(0, 1) == 1
        self.log.append(only)
        return only

    @types.coroutine
    def free(self) -> Generator[Point, None, None]:
        """The inode that it is part of is gone. Only the lock is watched for that: it comes first in all that follows
        a page to its file."""
        yield self._free
        self.world.free(self.lock)

    @property
    def quiet(self) -> bool:
        """Whether nobody holds the lock, for observers."""
        return self.lock.FREED or self.lock.owner is None

    def state(self) -> Hashable:
        marks = tuple(tuple(self.marks[mark]) for mark in Mark)
        return tuple(sorted(self.entries.items())), tuple(sorted(self.spans.items())), marks

    def restore(self, state: Any) -> None:
        entries, spans, marks = state
        self.entries = dict(entries)
        self.spans = dict(spans)
        for marked, indices in zip(self.marks.values(), marks, strict=True):
            marked[:] = indices


class XaState:
    """XA_STATE and XA_STATE_ORDER: one task's position in an xarray.

    span: number of indices that a store at a free place covers; `index` is aligned to it.
    walked: whether it stands on a slot; else the next operation walks afresh to `index` (XAS_RESTART).
    end: the first index behind the slot it stands on, while it walks over a range.
    """

    __slots__ = ("end", "index", "span", "walked", "xarray")

    def __init__(self, xarray: XArray, index: int, span: int = 1) -> None:
        self.xarray = xarray
        self.index = index - index % span
        self.span = span
        self.walked = False
        self.end = 0

    def load(self) -> Awaitable[Entry | None]:
        """xas_load"""
        self.walked = True
        self.end = self.index + 1
        return self.xarray.load(self.index, walks=True)

    async def find(self, last: int, mark: Mark | None = None) -> Entry | None:
        """The step of xas_for_each and xas_for_each_marked: the entry at or after the position, up to `last`.

        On a slot it first moves on behind it, as xas_find does.
        """
        found = await self.xarray.find(self.end if self.walked else self.index, last, mark)
        if found is None:
            return None
        self.index, entry, self.end = found
        self.walked = True
        return entry

    async def find_conflict(self) -> Entry | None:
        """xas_find_conflict: the first entry that a store here would replace.

        A state that has already walked to a slot goes on from there: after an order-0 slot its range has no further
        one. So inside a walk this is None, whatever the slot holds.
        """
        if self.walked:
            return None
        if self.span == 1:
            return await self.load()
        self.walked = True
        found = await self.xarray.find(self.index, self.index + self.span - 1)
        return None if found is None else found.entry

    def store(self, entry: Entry | None) -> Awaitable[Entry | None]:
        """xas_store: a state that stands on a slot goes on from behind it as before."""
        if not self.walked:
            self.walked = True
            self.end = self.index + 1
        return self.xarray.store(self.index, entry, self.span)

    def set(self, index: int) -> None:
        """xas_set: an order-0 position at an index."""
        self.index = index
        self.span = 1
        self.walked = False

    def set_order(self, index: int, span: int) -> None:
        """xas_set_order: a position for `span` indices, at the first of them."""
        self.index = index - index % span
        self.span = span
        self.walked = False

    def reset(self) -> None:
        """xas_reset: walk afresh to the same index."""
        self.walked = False

    def pause(self) -> None:
        """xas_pause: walk afresh, from the index behind this slot."""
        if self.walked:
            self.walked = False
            self.index = self.end
