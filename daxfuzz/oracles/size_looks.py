"""Ghost state: which tasks have looked at the size of a file before they locked it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING

from daxfuzz.oracles.ghost import Ghost
from daxfuzz.oracles.oracle import listen

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task


class SizeLooks(Ghost):
    """Follows the loads of sizes."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__(sim)
        # By task and file, the call in which the last load was one without i_rwsem.
        self.calls: dict[tuple[int, int], int] = {}
        sim.world.on_reset.append(self.calls.clear)
        sim.world.own_memories |= {f"size looks {task.index}": partial(self.memory, task) for task in sim.world.tasks}
        for inode in self.kernel.inodes.values():
            listen(inode.i_size, "watch_read", self.watcher(inode))

    def memory(self, task: Task) -> Hashable:
        """The files whose size a task has looked at in its present call."""
        return tuple([inode.number for inode in self.kernel.inodes.values() if self.early(inode, task)])

    def watcher(self, inode: Inode) -> Callable[[], None]:
        world = self.world
        i_rwsem = inode.i_rwsem

        def loaded() -> None:
            task = world.current
            if i_rwsem in task.held:
                self.calls.pop((task.index, inode.number), None)
            else:
                self.calls[task.index, inode.number] = task.operation

        return loaded

    def early(self, inode: Inode, task: Task) -> bool:
        """Whether a task has looked at the size in its present call, without i_rwsem, and not again with it."""
        return self.calls.get((task.index, inode.number)) == task.operation
