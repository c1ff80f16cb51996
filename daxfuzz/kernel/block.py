"""Storage blocks: their data, and the allocator that knows which file owns which."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim import Access, Point, Shared

if TYPE_CHECKING:
    from daxfuzz.kernel.mm import Pte
    from daxfuzz.kernel.tlb import Tlb
    from daxfuzz.sim import World


class Block(Shared):
    """One block, addressed by its pfn. Data is one integer per block; 0 is a zeroed one.

    data: what processors and devices see.
    durable: what is at least on the medium, and so survives a crash. Stores of processors stay in their caches until
    they are flushed; devices and copies of the kernel that bypass the caches write to both.
    on_kernel: called with this in each step in which the kernel reads or writes it, through its own mapping or by a
    request to the disk.
    on_copy: called with this after the kernel has written to it through the caches.
    on_flush: called with this after the caches were written back.
    """

    __slots__ = ("_load", "_store", "data", "durable", "on_copy", "on_flush", "on_kernel", "pfn")
    GUARDED = ("data",)

    def __init__(self, world: World, pfn: int) -> None:
        super().__init__(world, f"block{pfn}")
        self.pfn = pfn
        self.data = 0
        self.durable = 0
        self.on_kernel: Callable[[Block], None] | None = None
        self.on_copy: Callable[[Block], None] | None = None
        self.on_flush: Callable[[Block], None] | None = None
        self._load = self.point(Access.READ, "load")
        self._store = self.point(Access.WRITE, "store")

    @types.coroutine
    def load(self, tlb: Tlb, address: int, pte: Pte) -> Generator[Point, None, int | None]:
        """Read through a translation that the processor holds: None if it has lost it meanwhile."""
        if not self.world.goes_on(self._load):
            yield self._load
        value = self.data if tlb.holds(address, pte) else None
        self.log.append(value)
        return value

    @types.coroutine
    def store(self, tlb: Tlb, address: int, pte: Pte, value: int) -> Generator[Point, None, bool]:
        """Write through a translation that the processor holds: False if it has lost it meanwhile."""
        if not self.world.goes_on(self._store):
            yield self._store
        held = tlb.holds(address, pte)
        if held:
            self.data = value
        self.log.append(held)
        return held

    @types.coroutine
    def read(self) -> Generator[Point, None, int]:
        """The kernel reads through its own mapping."""
        if not self.world.goes_on(self._load):
            yield self._load
        if self.on_kernel is not None:
            self.on_kernel(self)
        value = self.data
        self.log.append(value)
        return value

    @types.coroutine
    def write(self, value: int) -> Generator[Point, None, None]:
        """The kernel writes through its own mapping."""
        if not self.world.goes_on(self._store):
            yield self._store
        if self.on_kernel is not None:
            self.on_kernel(self)
        self.data = value
        if self.on_copy is not None:
            self.on_copy(self)

    @types.coroutine
    def dma_write(self, value: int) -> Generator[Point, None, None]:
        """A device writes to the bus address it was given; no page table has a say."""
        if not self.world.goes_on(self._store):
            yield self._store
        self.data = self.durable = value

    @types.coroutine
    def copy_from_iter(self, value: int) -> Generator[Point, None, None]:
        """dax_copy_from_iter: the kernel copies user data past the caches (flushcache)."""
        if not self.world.goes_on(self._store):
            yield self._store
        if self.on_kernel is not None:
            self.on_kernel(self)
        self.data = self.durable = value

    @types.coroutine
    def zero(self) -> Generator[Point, None, None]:
        """The file system zeroes a block it has just allocated, past the caches."""
        if not self.world.goes_on(self._store):
            yield self._store
        if self.on_kernel is not None:
            self.on_kernel(self)
        self.data = self.durable = 0

    @types.coroutine
    def fill(self, value: int) -> Generator[Point, None, None]:
        """A file page with this data is mapped here from now on (virtio-fs, on the host)."""
        yield self._store
        self.data = self.durable = value

    @types.coroutine
    def drain(self) -> Generator[Point, None, int]:
        """The data, as the file page that was mapped here keeps it (virtio-fs, on the host)."""
        yield self._load
        self.log.append(self.data)
        return self.data

    @types.coroutine
    def flush(self) -> Generator[Point, None, None]:
        """dax_flush: write the processor caches back, through the kernel's own mapping of the block."""
        if not self.world.goes_on(self._load):
            yield self._load
        self.durable = self.data
        if self.on_flush is not None:
            self.on_flush(self)

    def state(self) -> Hashable:
        return self.data, self.durable

    def restore(self, state: Any) -> None:
        self.data, self.durable = state


Owner = tuple[int, int]
"""(inode number, file page)"""


class BlockAllocator(Shared):
    """Hands out the free blocks with the lowest numbers, so that a freed one is reused soon.

    table: by pfn, who owns the block: nobody while it is free, more than one where files share it.
    freed: blocks that an owner has given up, by a transaction that is not durable yet: one that is free cannot be
        reused before.
    freeing: the same, for a transaction that is on its way there.
    uncommitted: the same, with the task whose transaction it is, which is not committed yet (xfs).
    on_access: called in each step that looks at owners, or changes them, but for moves within a file.
    on_allocate: called after each attempt to allocate.
    on_free: called with (pfn, last owner) after a block was freed.
    on_share: called with (pfn, owner) after a block got one more owner.
    """

    __slots__ = (
        "_allocate",
        "_free",
        "_look",
        "freed",
        "freeing",
        "on_access",
        "on_allocate",
        "on_free",
        "on_share",
        "table",
        "uncommitted",
    )
    GUARDED = ("freed", "freeing", "table", "uncommitted")

    def __init__(self, world: World, blocks: int) -> None:
        super().__init__(world, "allocator")
        self.table: list[tuple[Owner, ...]] = [()] * blocks
        self.freed: tuple[int, ...] = ()
        self.freeing: tuple[int, ...] = ()
        self.uncommitted: tuple[tuple[int, int], ...] = ()
        self.on_access: Callable[[], None] | None = None
        self.on_allocate: Callable[[], None] | None = None
        self.on_free: Callable[[int, Owner], None] | None = None
        self.on_share: Callable[[int, Owner], None] | None = None
        self._allocate = self.point(Access.UPDATE, "allocate")
        self._free = self.point(Access.UPDATE, "free")
        self._look = self.point(Access.READ, "shared")

    @types.coroutine
    def allocate(self, inode: int, index: int) -> Generator[Point, None, int | None]:
        """Allocate a block for a file page: its pfn, or None if there is no free block."""
        return next(iter((yield from self.allocate_extent(inode, index, 1))), None)

    @types.coroutine
    def allocate_extent(self, inode: int, index: int, pages: int) -> Generator[Point, None, range]:
        """Allocate contiguous blocks for file pages from `index`: their pfns, none if there is no free block.

        An aligned run of free blocks if there is one, else a single block.
        """
        yield self._allocate
        if self.on_access is not None:
            self.on_access()
        blocks = self.find(pages)
        self.log.append(blocks)
        for offset, pfn in enumerate(blocks):
            self.table[pfn] = ((inode, index + offset),)
        if self.on_allocate is not None:
            self.on_allocate()
        return blocks

    def find(self, pages: int) -> range:
        """The blocks that the next allocation of so many gets."""
        for length in (pages, 1):
            for first in range(0, len(self.table) + 1 - length, length):
                if not any(map(self.unusable, range(first, first + length))):
                    return range(first, first + length)
        return range(0)

    def unusable(self, pfn: int) -> bool:
        """Whether a block has an owner, or was freed by a transaction that is not durable yet."""
        return bool(self.table[pfn]) or self.given_up(pfn)

    @types.coroutine
    def claim(self, pfn: int, inode: int, index: int) -> Generator[Point, None, None]:
        """Allocate a certain block, which is free (virtio-fs: a page of a range that a file gets)."""
        yield self._allocate
        self.table[pfn] += ((inode, index),)

    @types.coroutine
    def share(self, pfn: int, inode: int, index: int) -> Generator[Point, None, None]:
        """One more owner of an allocated block (reflink)."""
        yield self._allocate
        if self.on_access is not None:
            self.on_access()
        self.table[pfn] += ((inode, index),)
        if self.on_share is not None:
            self.on_share(pfn, (inode, index))

    @types.coroutine
    def shared(self, pfn: int) -> Generator[Point, None, bool]:
        """Whether a block has more than one owner."""
        if not self.world.goes_on(self._look):
            yield self._look
        if self.on_access is not None:
            self.on_access()
        shared = len(self.table[pfn]) > 1
        self.log.append(shared)
        return shared

    @types.coroutine
    def owners_of(self, pfn: int) -> Generator[Point, None, tuple[Owner, ...]]:
        """All owners of a block (xfs: its records in the rmap btree)."""
        if not self.world.goes_on(self._look):
            yield self._look
        if self.on_access is not None:
            self.on_access()
        owners = self.table[pfn]
        self.log.append(owners)
        return owners

    @types.coroutine
    def free(
        self, pfn: int, inode: int, index: int, busy: bool = False, committed: bool = True
    ) -> Generator[Point, None, bool]:
        """An owner gives a block up. Whether it was the last one, so that the block is free now.

        busy: nothing is to be done with it before the freeing is durable, whether or not it has other owners.
        committed: the next transaction that becomes durable does that; else only after commit_freed.
        """
        if not self.world.goes_on(self._free):
            yield self._free
        if self.on_access is not None:
            self.on_access()
        owner = (inode, index)
        owners = list(self.table[pfn])
        owners.remove(owner)
        self.table[pfn] = tuple(owners)
        self.log.append(not owners)
        if busy:
            if committed:
                self.freed += (pfn,)
            else:
                self.uncommitted += ((self.world.current.index, pfn),)
        if not owners and self.on_free is not None:
            self.on_free(pfn, owner)
        return not owners

    @types.coroutine
    def pending(self) -> Generator[Point, None, bool]:
        """Whether a commit would give blocks back (ext4: s_mb_free_pending)."""
        if not self.world.goes_on(self._look):
            yield self._look
        pending = bool(self.freed or self.freeing)
        self.log.append(pending)
        return pending

    @types.coroutine
    def busy(self, pfn: int) -> Generator[Point, None, bool]:
        """Whether a transaction that is not durable yet has taken a block from an owner."""
        if not self.world.goes_on(self._look):
            yield self._look
        busy = self.given_up(pfn)
        self.log.append(busy)
        return busy

    def given_up(self, pfn: int) -> bool:
        """Whether the block is in a list of those that an owner has given up."""
        return pfn in self.freed or pfn in self.freeing or any(pfn == each for _, each in self.uncommitted)

    def commit_freed(self) -> None:
        """The current task's transaction commits; part of the step in which it does."""
        me = self.world.current.index
        self.freed += tuple(pfn for task, pfn in self.uncommitted if task == me)
        self.uncommitted = tuple(each for each in self.uncommitted if each[0] != me)

    def seal_freed(self) -> None:
        """The transaction that has freed blocks takes no more changes; part of the step in which that happens."""
        self.freeing = self.freed
        self.freed = ()

    def reuse(self) -> None:
        """The freeing of the sealed transaction's blocks is durable; part of the step in which it becomes so."""
        self.freeing = ()

    @types.coroutine
    def move(self, pfn: int, inode: int, index: int, to: int) -> Generator[Point, None, None]:
        """A block becomes that of another page of the file."""
        yield self._allocate
        self.table[pfn] = tuple((inode, to) if owner == (inode, index) else owner for owner in self.table[pfn])

    def state(self) -> Hashable:
        return tuple(self.table), self.freed, self.freeing, self.uncommitted

    def restore(self, state: Any) -> None:
        table, self.freed, self.freeing, self.uncommitted = state
        self.table = list(table)
