"""Data that a crash would lose although its durability was promised."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from daxfuzz.kernel.inode import Extent, Inode, mapped_block
from daxfuzz.kernel.mm import VmFlag
from daxfuzz.oracles.histories import Histories
from daxfuzz.oracles.oracle import Oracle, listen

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task

Metadata = dict[int, tuple[int, tuple[Extent, ...]]]
"""By inode number: the size, and what is at each page."""


class LostDirtyData(Oracle):
    """What was written before an fsync began is durable when it returns 0; MAP_SYNC makes the metadata so at once.

    A crash leaves what the metadata that is durable leads to, and of that what has left the caches of the processors.
    Caches may write back by themselves at any time, so that what must survive is judged, never what must not. A page
    that truncate was removing during the fsync is not judged: like any page cache, DAX forgets that it is dirty before
    the removal is durable, and what was there before may come back then. The same goes for punch, zero and collapse
    range on ext4, which writes back before it locks out faults and writers, or not at all; xfs writes back what they
    remove under its locks, so that there they are judged. Nor is a file judged that one mm may map both ways: whether a
    store went to the file or to a private copy is not followed. Of contents that are moved within the file, see
    Histories.had. Of virtio-fs the host is taken to make everything durable that has left the caches.
    """

    kinds = ("lost-dirty-data",)

    def attach(self) -> None:
        self.watched = False
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        promised = any(call.name == "fsync" or "MAP_SYNC" in call.arguments for call in calls)
        fuse = self.kernel.fuse_conn is not None
        if not (self.kernel.fs.durable_metadata or fuse) or not promised:
            return
        self.watched = True
        self.histories = Histories.of(self.sim)
        listen(self.kernel.sb, "on_logged", self.logged)
        listen(self.kernel.sb, "on_sealed", self.sealed)
        listen(self.kernel.sb, "on_durable", self.became_durable)
        self.sim.on_begin.append(self.began, ("fsync",))
        self.sim.on_end.append(self.ended, ("fsync", "store"))

    def reset(self) -> None:
        self.begin: dict[int, int] = {}
        if self.watched:
            self.durable = self.pending = self.committed = self.metadata()

    def memory(self) -> Hashable:
        if not self.watched:
            return ()
        known = [tuple(each.items()) for each in (self.durable, self.pending, self.committed)]
        return tuple(known), self.histories.moments(self.begin)

    def metadata(self) -> Metadata:
        """What the file system has in memory now."""
        return {
            inode.number: (inode.i_size.value, tuple([extent.value for extent in inode.extents]))
            for inode in self.kernel.inodes.values()
        }

    def logged(self, number: int) -> None:
        self.committed = {**self.committed, number: self.metadata()[number]}

    def sealed(self) -> None:
        self.pending = self.committed if self.kernel.fs.logs_committed else self.metadata()

    def became_durable(self) -> None:
        self.durable = self.pending

    def after_crash(self, inode: Inode, page: int) -> int:
        """What a crash would leave of a file page now."""
        if self.kernel.fuse_conn is not None:
            pfn = mapped_block(inode.extents[page].value)
            return inode.fuse.host_pages[page].value if pfn is None else self.kernel.blocks[pfn].durable
        size, extents = self.durable[inode.number]
        block = mapped_block(extents[page]) if page < size else None
        return 0 if block is None else self.kernel.blocks[block].durable

    def began(self, task: Task, call: Call) -> None:
        self.begin[task.index] = self.histories.tick()

    def ended(self, task: Task, call: Call, result: Result) -> None:
        conn = self.kernel.fuse_conn
        if conn is not None and (conn.server.owner is not None or self.kernel.q_usage.dying):
            # The host has moved a page in part, or its own fsync would fail, which is not modelled.
            return
        if self.kernel.pages[0].freed:
            # Nobody has promised anything for a device that is gone.
            return
        if call.name == "fsync" and result == 0:
            self.synced(task, str(call.arguments[0]))
        elif call.name == "store" and isinstance(result, int) and self.kernel.fs.durable_metadata:
            self.stored(task, str(call.arguments[0]), int(call.arguments[1]), result)

    def synced(self, task: Task, file: str) -> None:
        """fsync has returned 0."""
        self.histories.tick()
        if file in self.histories.mixed:
            return
        inode = self.kernel.inodes[file]
        for page in range(len(inode.extents)):
            if self.histories.being_removed(file, page, self.begin[task.index]):
                continue
            value = self.after_crash(inode, page)
            if not self.histories.current(file, page, value, self.begin[task.index]):
                self.fail(
                    "lost-dirty-data", f"{task.name} has synced {file}, but a crash leaves {value} in page {page}"
                )

    def stored(self, task: Task, file: str, page: int, value: int) -> None:
        """A store through MAP_SYNC has got to the block: the file leads to it whenever the user flushes the line."""
        inode = self.kernel.inodes[file]
        vmas = self.kernel.mm_of[task.index].vmas.value
        if not any(vma.mapping is inode.i_mapping and vma.flags & VmFlag.SYNC for vma in vmas):
            return
        block = mapped_block(self.durable[inode.number][1][page])
        if not any(each.data == value and each.pfn != block for each in self.kernel.blocks):
            return
        self.fail(
            "lost-dirty-data", f"{task.name} stores to {file}[{page}] through MAP_SYNC, but a crash loses the block"
        )
