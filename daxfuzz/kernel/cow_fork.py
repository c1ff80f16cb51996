"""The CoW fork of an inode: blocks that are to replace shared ones (fs/xfs/libxfs/xfs_inode_fork.h, v6.0)."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim import Access, Point, Shared

if TYPE_CHECKING:
    from daxfuzz.sim import World


class CowFork(Shared):
    """Blocks by file page, under the inode's ILOCK, but for a look whether there are any.

    All extents in it are written: DAX converts what it has allocated before it drops the lock.
    Known deviation: exactly the pages that are written get a block; xfs allocates their neighbours, too (cowextsize).

    on_access: called with whether it is a change, in each step of lookup, insert and remove.
    on_cancel: called where blocks are given back, before it is known whether there are any.
    """

    __slots__ = ("_change", "_look", "blocks", "on_access", "on_cancel")
    GUARDED = ("blocks",)
    TRACKED = True

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.blocks: dict[int, int] = {}
        self.on_access: Callable[[bool], None] | None = None
        self.on_cancel: Callable[[], None] | None = None
        self._look = self.point(Access.READ, "lookup")
        self._change = self.point(Access.WRITE, "change")

    @types.coroutine
    def empty(self) -> Generator[Point, None, bool]:
        """if_bytes == 0: whether there is no extent at all; without the lock."""
        yield self._look
        empty = not self.blocks
        self.log.append(empty)
        return empty

    @types.coroutine
    def lookup(self, first: int, last: int) -> Generator[Point, None, tuple[int, int] | None]:
        """xfs_iext_lookup_extent: file page and block of the first extent from `first` to `last`, both included."""
        yield self._look
        if self.on_access is not None:
            self.on_access(False)
        found = next(((index, self.blocks[index]) for index in range(first, last + 1) if index in self.blocks), None)
        self.log.append(found)
        return found

    @types.coroutine
    def has(self, index: int, pfn: int) -> Generator[Point, None, bool]:
        """Whether a block is the one that the fork has for a page."""
        yield self._look
        has = self.blocks.get(index) == pfn
        self.log.append(has)
        return has

    @types.coroutine
    def insert(self, index: int, pfn: int) -> Generator[Point, None, None]:
        """xfs_bmapi_write with XFS_BMAPI_COWFORK, as far as the fork goes."""
        yield self._change
        if self.on_access is not None:
            self.on_access(True)
        self.blocks[index] = pfn
        if self.clean:
            self.touch()

    @types.coroutine
    def remove(self, index: int) -> Generator[Point, None, None]:
        """xfs_bmap_del_extent_cow"""
        yield self._change
        if self.on_access is not None:
            self.on_access(True)
        # Not clean any more: a world begins with empty forks.
        del self.blocks[index]

    def state(self) -> Hashable:
        return tuple(sorted(self.blocks.items()))

    def restore(self, state: Any) -> None:
        self.blocks = dict(state)
