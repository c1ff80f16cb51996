"""Writes that fail and leave something of themselves."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle, listen

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task

WRITES = ("write", "pwrite")


class FailedWrite(Oracle):
    """A write(2) that fails has not made its file larger, which is how long what was written is (POSIX, write)."""

    kinds = ("failed-write",)

    def attach(self) -> None:
        if not any(call.name in WRITES for calls in self.sim.program.tasks.values() for call in calls):
            return
        self.sim.on_begin.append(self.began, WRITES)
        self.sim.on_end.append(self.ended, WRITES)
        for inode in self.kernel.inodes.values():
            listen(inode.i_size, "watch", self.size_watcher(inode))

    def reset(self) -> None:
        self.growing: dict[int, str] = {}

    def memory(self) -> Hashable:
        return tuple(sorted(self.growing.items()))

    def began(self, task: Task, call: Call) -> None:
        self.growing[task.index] = ""

    def size_watcher(self, inode: Inode) -> Callable[[int, int], None]:
        """Notes who makes a file larger in a write."""

        def changed(old: int, new: int) -> None:
            me = self.world.current.index
            if new > old and me in self.growing:
                self.growing[me] = f"{inode.name} from {old} to {new} pages"

        return changed

    def ended(self, task: Task, call: Call, result: Result) -> None:
        grown = self.growing.pop(task.index)
        if grown and isinstance(result, int) and result < 0:
            self.fail("failed-write", f"{call} of {task.name} fails, and has made {grown}", channel=call.name)
