"""Sleep that may never end, whether or not it does."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.entry_owners import EntryOwners
from daxfuzz.oracles.oracle import Oracle, listen_to_all
from daxfuzz.sim import SpinLock, Violation, WaitQueueHead

if TYPE_CHECKING:
    from daxfuzz.sim import Lock, Task


class CarelessSleep(Oracle):
    """Who sleeps has looked since it queued itself, and keeps from nobody what that one needs to end the wait.

    What it waits for may have happened between the look and the queue: then nobody wakes it (prepare_to_wait comes
    before the condition, but for one that a spinlock protects which it holds while it queues). And who waits for a page
    to become idle, which programs keep for as long as they like, has dropped invalidate_lock and locks no entry: they
    may need these for a fault first. Who waits for a range of the window of virtio-fs, which such pages keep, has
    dropped mmap_lock, too. After what only this finds, the execution goes on.
    """

    kinds = ("careless-sleep",)

    def reset(self) -> None:
        self.reported: list[tuple[int, str]] = []

    def memory(self) -> Hashable:
        return tuple(sorted(self.reported))

    def attach(self) -> None:
        self.owners = EntryOwners.of(self.sim)
        self.invalidate_locks: list[Lock] = [inode.i_mapping.invalidate_lock for inode in self.kernel.inodes.values()]
        queues = (obj for obj in self.world.objects if isinstance(obj, WaitQueueHead))
        listen_to_all(queues, "on_asleep", self.slept)

    def slept(self, queue: WaitQueueHead, task: Task, unlooked: bool) -> None:
        if unlooked and not any(isinstance(lock, SpinLock) for lock in task.held):
            self.report(task, "queue", f"{task.name} sleeps on {queue.name}, and has not looked since it is queued")
        conn = self.kernel.fuse_conn
        if conn is not None and queue is conn.range_waitq:
            self.keeps(task, [mm.mmap_lock for mm in self.kernel.mms] + self.invalidate_locks, "a range is free")
        if queue not in self.kernel.var_waitqueues.heads:
            return
        self.keeps(task, self.invalidate_locks, "a page is idle")
        if task.index in self.owners.owners.values():
            self.report(task, "dax_entry", f"{task.name} sleeps until a page is idle, and has an entry locked")

    def keeps(self, task: Task, locks: list[Lock], until: str) -> None:
        """Report the first of the locks that a task holds while it sleeps."""
        kept = next((lock for lock in locks if lock in task.held), None)
        if kept is not None:
            self.report(task, kept.lock_class, f"{task.name} sleeps until {until}, and holds {kept.name}")

    def report(self, task: Task, channel: str, message: str) -> None:
        if (task.index, channel) not in self.reported:
            self.reported.append((task.index, channel))
            violation = Violation("careless-sleep", message, channel=channel, tasks=(task.name,))
            self.world.defer(violation)
