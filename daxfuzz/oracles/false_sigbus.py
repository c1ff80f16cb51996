"""Accesses to memory that fail for no reason."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle, listen

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task

ACCESSES = ("load", "store")


class FalseSigbus(Oracle):
    """An access through a mapping of a file ends in SIGBUS only if at some moment of it the page was behind the end of
    the file, no block could be allocated, the device was dead, or the file system was shut down.

    A page that has failed can be mapped again (MemoryFailure), so that it is no reason. Character devices are not
    judged, of which only some sizes can be mapped.
    """

    kinds = ("false-sigbus",)

    def reset(self) -> None:
        # The pages that tasks access, and those of these tasks that have a reason to fail.
        self.pages: dict[int, tuple[str, int]] = {}
        self.excused: set[int] = set()

    def memory(self) -> Hashable:
        return tuple(sorted(self.pages.items())), tuple(sorted(self.excused))

    def attach(self) -> None:
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        if self.kernel.fs.char_device or not any(call.name in ACCESSES for call in calls):
            return
        self.sim.on_begin.append(self.began, ACCESSES)
        self.sim.on_end.append(self.ended, ACCESSES)
        listen(self.kernel.allocator, "on_allocate", self.allocated)
        for inode in self.kernel.inodes.values():
            listen(inode.i_size, "watch", self.size_watcher(inode))

    def began(self, task: Task, call: Call) -> None:
        file, page = self.pages[task.index] = (str(call.arguments[0]), int(call.arguments[1]))
        self.excused.discard(task.index)
        if page >= self.kernel.inodes[file].i_size.value:
            self.excused.add(task.index)

    def allocated(self) -> None:
        """Somebody has found no block, or taken the last one."""
        if not self.kernel.allocator.find(1):
            self.excused.update(self.pages)

    def size_watcher(self, inode: Inode) -> Callable[[int, int], None]:
        def resized(old: int, new: int) -> None:
            self.excused.update(
                index for index, (file, page) in self.pages.items() if file == inode.name and page >= new
            )

        return resized

    def ended(self, task: Task, call: Call, result: Result) -> None:
        del self.pages[task.index]
        if result != "SIGBUS" or task.index in self.excused:
            return
        device = self.kernel.dax_alive.value and not self.kernel.q_usage.dying
        if device and not self.kernel.sb.shutdown.value:
            self.fail("false-sigbus", f"{call} of {task.name} ends in SIGBUS for no reason")
