"""What is left behind the end of a file."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.lookup import entry_at, mapped
from daxfuzz.oracles.oracle import Oracle, listen

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.sim import Lock, Task


class BeyondEnd(Oracle):
    """When who has made a file shorter lets faults go on, nothing is mapped behind the new end, nor has an entry.

    Private copies are gone, too (mm/truncate.c, truncate_pagecache): an access behind the end is a SIGBUS. So are
    blocks that were to replace shared ones. Of a file whose last reference is gone nothing is asked.
    """

    kinds = ("beyond-end",)

    def attach(self) -> None:
        if self.kernel.fs.char_device:
            return
        for inode in self.kernel.inodes.values():
            listen(inode.i_size, "watch", self.size_watcher(inode))
            listen(inode.i_mapping.invalidate_lock, "on_release", self.lock_watcher(inode))

    def reset(self) -> None:
        self.shrunk: list[int] = []

    def memory(self) -> Hashable:
        return tuple(sorted(self.shrunk))

    def size_watcher(self, inode: Inode) -> Callable[[int, int], None]:
        """Notes who has become shorter."""

        def changed(old: int, new: int) -> None:
            if new < old and inode.i_count.value and inode.number not in self.shrunk:
                self.shrunk.append(inode.number)

        return changed

    def lock_watcher(self, inode: Inode) -> Callable[[Lock, Task], None]:
        """Looks at who has."""

        def released(lock: Lock, task: Task) -> None:
            if inode.number in self.shrunk:
                self.shrunk.remove(inode.number)
                self.look(inode, task)

        return released

    def look(self, inode: Inode, task: Task) -> None:
        """At each page behind the end."""
        if any(index >= inode.i_size.value for index in inode.cow_fork.blocks):
            self.fail("beyond-end", f"{task.name} leaves a block in the CoW fork of {inode.name}, behind the end")
        for index in range(inode.i_size.value, len(inode.extents)):
            found = entry_at(inode.i_mapping.i_pages, index)
            if found is not None:
                self.fail("beyond-end", f"{task.name} leaves an entry at {inode.name}[{index}], behind the end")
            for mm in self.kernel.mms:
                for address in self.kernel.addresses(inode.number, index):
                    if mapped(mm, address) is not None:
                        self.fail("beyond-end", f"{mm.name} maps {inode.name}[{index}], which is behind the end")
