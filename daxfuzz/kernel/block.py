"""Storage blocks: the data, and which file owns it."""

from __future__ import annotations

import types
from collections.abc import Generator, Hashable
from typing import TYPE_CHECKING, Any, cast

from daxfuzz.sim import Access, Cell, Point, Shared

if TYPE_CHECKING:
    from daxfuzz.kernel.tlb import Tlb
    from daxfuzz.sim import World


class Block(Shared):
    """One block, addressed by its pfn. Data is one integer per block; 0 is a zeroed one.

    owner: (inode number, file index), or None while the block is free.
    """

    __slots__ = ("_load", "_store", "data", "owner", "pfn")
    GUARDED = ("data",)

    def __init__(self, world: World, pfn: int) -> None:
        super().__init__(world, f"block{pfn}")
        self.pfn = pfn
        self.data = 0
        self.owner: Cell[tuple[int, int] | None] = Cell(world, f"block{pfn}.owner", None)
        self._load = self.point(Access.READ, "load")
        self._store = self.point(Access.WRITE, "store")

    @types.coroutine
    def load(self, tlb: Tlb, address: int) -> Generator[Point, None, int | None]:
        """Read through a translation that the processor holds: None if it has been flushed meanwhile."""
        yield self._load
        value = self.data if tlb.holds(address, self.pfn, write=False) else None
        self.log.append(value)
        return value

    @types.coroutine
    def store(self, tlb: Tlb, address: int, value: int) -> Generator[Point, None, bool]:
        """Write through a translation that the processor holds: False if it has been flushed meanwhile."""
        yield self._store
        held = tlb.holds(address, self.pfn, write=True)
        if held:
            self.data = value
        self.log.append(held)
        return held

    @types.coroutine
    def dma_write(self, value: int) -> Generator[Point, None, None]:
        """A device writes to the bus address it was given; no page table has a say."""
        yield self._store
        self.data = value

    @types.coroutine
    def zero(self) -> Generator[Point, None, None]:
        """The file system zeroes a block it has just allocated."""
        yield self._store
        self.data = 0

    @types.coroutine
    def flush(self) -> Generator[Point, None, None]:
        """dax_flush: write the processor caches back."""
        yield self._load

    def state(self) -> Hashable:
        return self.data

    def restore(self, state: Hashable) -> None:
        self.data = cast(Any, state)
