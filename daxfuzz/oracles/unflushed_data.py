"""Data that nobody will write back any more, although its file keeps it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.kernel.inode import mapped_block
from daxfuzz.kernel.xarray import Mark
from daxfuzz.oracles.lookup import entry_at
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.block import Block, Owner
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import Extent, Inode
    from daxfuzz.program.case import Call


class UnflushedData(Oracle):
    """What is in the caches only has an entry that fsync finds, unless it is being removed.

    So it is written back before its entry is deleted, before its block is shared, since the other file has no entry,
    and before the block comes to a place of a file without an entry. A copy is written back before the file gets it in
    the place of the block that it is of, since a crash may come right after that. A call that removes data need not
    write that back, but the rest of what its entries stand for; nor need eviction, or the removal of the device. xfs
    writes back what fallocate removes, too (xfs_flush_unmap_range), so that a crash may come before the removal is
    durable. It has done no harm before a crash, so that the execution goes on.
    """

    kinds = ("unflushed-data",)

    def attach(self) -> None:
        if self.kernel.fs.char_device:
            return
        listen(self.kernel.allocator, "on_share", self.shared)
        for inode in self.kernel.inodes.values():
            listen(inode.i_mapping.i_pages, "watch", self.entry_watcher(inode))
            if self.kernel.fuse_conn is None:
                for index, extent in enumerate(inode.extents):
                    listen(extent, "watch", self.extent_watcher(inode, index))
        if self.kernel.fs.reflinks:
            for block in self.kernel.blocks[: self.kernel.device_pages]:
                listen(block, "on_copy", self.copied)
                listen(block, "on_flush", self.flushed)

    def reset(self) -> None:
        self.reported = False
        # Blocks with copies that were not written back since.
        self.copies: set[int] = set()

    def memory(self) -> Hashable:
        return self.reported, tuple(sorted(self.copies))

    def copied(self, block: Block) -> None:
        self.copies.add(block.pfn)

    def flushed(self, block: Block) -> None:
        self.copies.discard(block.pfn)

    def unflushed(self, pfn: int) -> bool:
        """Whether a crash would lose what a block has, as long as there is a device."""
        if self.kernel.q_usage.dying or not self.kernel.dax_alive.value:
            return False
        block = self.kernel.blocks[pfn]
        return block.data != block.durable

    def entry_watcher(self, inode: Inode) -> Callable[[int, Entry | None, Entry | None], None]:
        """Judges each entry that goes."""

        def stored(index: int, old: Entry | None, new: Entry | None) -> None:
            if new is None and old is not None and old.real and inode.i_count.value:
                for offset, pfn in enumerate(old.pfns(self.kernel.machine)):
                    self.deleted(inode, index + offset, pfn)

        return stored

    def deleted(self, inode: Inode, page: int, pfn: int) -> None:
        """One page of an entry that has just gone."""
        if page >= inode.i_size.value or mapped_block(inode.extents[page].value) != pfn or not self.unflushed(pfn):
            return
        task = self.world.current
        call = self.sim.program.tasks[task.name][task.operation] if task.operation >= 0 else None
        if call is None or not self.removes(call, inode, page):
            self.report(f"{task.name} deletes the entry of {inode.name}[{page}], which is not written back")

    def removes(self, call: Call, inode: Inode, page: int) -> bool:
        """Whether a call removes what a page has, or makes no promise."""
        if call.name == "unbind":
            return True
        if call.name in ("truncate", "open"):
            first = int(call.arguments[1]) if call.name == "truncate" else 0
            return call.arguments[0] == inode.name and page >= first
        if call.name != "fallocate" or self.kernel.fs.writes_removed or call.arguments[1] == "INSERT_RANGE":
            return False
        return page in range(int(call.arguments[2]), int(call.arguments[2]) + int(call.arguments[3]))

    def shared(self, pfn: int, owner: Owner) -> None:
        if self.unflushed(pfn):
            self.report(f"{self.world.current.name} shares block {pfn}, which is not written back")

    def extent_watcher(self, inode: Inode, index: int) -> Callable[[Extent, Extent], None]:
        """Judges each block that comes to a place."""

        def stored(old: Extent, new: Extent) -> None:
            pfn = mapped_block(new)
            if pfn is None or pfn == mapped_block(old) or not self.unflushed(pfn):
                return
            if pfn in self.copies and mapped_block(old) is not None:
                self.report(f"{inode.name}[{index}] gets block {pfn}, a copy that is not written back")
            i_pages = inode.i_mapping.i_pages
            head, entry = entry_at(i_pages, index) or (index, None)
            if entry is None or not (entry.locked or head in i_pages.marks[Mark.DIRTY]):
                self.report(f"{inode.name}[{index}] gets block {pfn}, which is not written back")

        return stored

    def report(self, message: str) -> None:
        """Report the first in an execution."""
        if not self.reported:
            self.reported = True
            self.world.defer(Violation("unflushed-data", message, tasks=(self.world.current.name,)))
