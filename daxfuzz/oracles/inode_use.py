"""Use of inodes that are being torn down."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode


class InodeUse(Oracle):
    """Once the file system tears an inode down, nobody else walks over its page cache.

    It begins to do so when evict has waited for who works on the inode without a reference (inode_wait_for_writeback,
    and inode_wait_for_lru_isolating since v6.11), and frees the inode in the end. Who finds it anew sees I_FREEING, and
    leaves it alone. Who comes from one of its pages locks an entry, and walks over nothing. It may have done no harm,
    so the execution goes on.
    """

    kinds = ("inode-use",)

    def reset(self) -> None:
        # Per inode that is torn down, by its number, the tasks that may work on it: who does that, and who was told.
        self.torn: dict[int, list[int]] = {}

    def memory(self) -> Hashable:
        return tuple(sorted((number, *tasks) for number, tasks in self.torn.items()))

    def attach(self) -> None:
        unlinked = any(call.name == "unlink" for calls in self.sim.program.tasks.values() for call in calls)
        if not unlinked and not self.kernel.machine.low_memory:
            # Each file keeps its name, and that the file.
            return
        for inode in self.kernel.inodes.values():
            begun = self.teardown_watcher(inode)
            listen(inode.i_mapping, "on_truncate", begun)
            listen(inode.i_mapping, "on_layout_scan", begun)
            listen(inode.i_mapping.i_pages, "watch_find", self.walk_watcher(inode))

    def teardown_watcher(self, inode: Inode) -> Callable[[], None]:
        """Page cache goes, or is about to: that of an inode without a reference for good."""

        def begun() -> None:
            if not inode.i_count.value:
                self.torn.setdefault(inode.number, [self.world.current.index])

        return begun

    def walk_watcher(self, inode: Inode) -> Callable[[], None]:
        """Judges each step of a walk."""

        def walked() -> None:
            tasks = self.torn.get(inode.number) if self.torn else None
            task = self.world.current
            if tasks is not None and task.index not in tasks:
                tasks.append(task.index)
                message = f"{task.name} walks over {inode.i_mapping.i_pages.name}, while the inode is torn down"
                self.world.defer(Violation("inode-use", message, tasks=(task.name,)))

        return walked
