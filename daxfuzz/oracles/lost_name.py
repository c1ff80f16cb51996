"""Files that lose their name while they are in use."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle, listen

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.program.case import Call
    from daxfuzz.sim import Task


class LostName(Oracle):
    """Reclaim takes only the names of files that nobody uses.

    unlink(2) holds the directory. Nobody else takes the name of a file that somebody has had open or mapped ever since
    the call began: dentry_lru_isolate and __dentry_kill look at the dentry's count under d_lock (v6.0 and v6.19), where
    the model looks at the inode's a little earlier.
    """

    kinds = ("lost-name",)

    def reset(self) -> None:
        self.clock = 0
        # When nobody used a file last, by its number, and when the present call of each task began.
        self.unused: dict[int, int] = {}
        self.begin: dict[int, int] = {}

    def memory(self) -> Hashable:
        # Of the clock only the order of its times counts.
        files = [inode.number for inode in self.kernel.inodes.values()]
        return tuple(
            sorted((task, file) for task in self.begin for file in files if self.used_all_the_time(file, task))
        )

    def attach(self) -> None:
        if not self.kernel.machine.low_memory:
            return
        for inode in self.kernel.inodes.values():
            listen(inode.i_count, "watch", self.count_watcher(inode))
            listen(inode.i_nlink, "watch", self.name_watcher(inode))
        self.sim.on_begin.append(self.began)

    def began(self, task: Task, call: Call) -> None:
        self.begin[task.index] = self.clock

    def count_watcher(self, inode: Inode) -> Callable[[int, int], None]:
        """Notes when a file is not in use: only its name has it."""

        def changed(old: int, new: int) -> None:
            self.clock += 1
            if old <= 1 or new <= 1:
                self.unused[inode.number] = self.clock

        return changed

    def used_all_the_time(self, file: int, task: int) -> bool:
        """Whether a file that is in use has been so since a task's call began."""
        return self.unused.get(file, 0) <= self.begin[task]

    def name_watcher(self, inode: Inode) -> Callable[[int, int], None]:
        """Judges who takes the name."""

        def named(old: int, new: int) -> None:
            task = self.world.current
            if new or not old or self.kernel.directory.written_by(task):
                return
            if inode.i_count.value > 1 and self.used_all_the_time(inode.number, task.index):
                self.fail("lost-name", f"{task.name} takes the name of {inode.name}, which is in use")

        return named
