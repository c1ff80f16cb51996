"""Wakes that who waits for an entry's lock is owed."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle, listen, listen_to_all
from daxfuzz.sim import Violation, WaitQueueHead

if TYPE_CHECKING:
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task

Key = tuple[int, int]
"""What a waiter for an entry waits for: address of the file's i_pages, and first index."""


class EntryWake(Oracle):
    """Before its call ends, who deletes an entry wakes all that may wait for it. Before it sleeps, too, who was woken
    alone locks the entry, waits for it again or wakes the next one.

    That is what fs/dax.c asks of exclusive waiters (enum dax_wake_mode, get_unlocked_entry, put_unlocked_entry; v6.0
    and v6.19). A look that finds nobody on the queue is as good as a wake. Who was woken alone need not do anything any
    more once the entry is gone, even if it was woken after that, since who deletes it wakes all others. It has done no
    harm if nobody else waits, so the execution goes on.
    """

    kinds = ("entry-wake",)

    def reset(self) -> None:
        # Per task the entries that it has deleted, and the one that it was woken for alone.
        self.deleted: dict[int, list[Key]] = {}
        self.woken: dict[int, Key] = {}

    def memory(self) -> Hashable:
        deleted = sorted((task, tuple(keys)) for task, keys in self.deleted.items() if keys)
        return tuple(deleted), tuple(sorted(self.woken.items()))

    def attach(self) -> None:
        if self.kernel.fs.char_device:
            return
        self.table = self.kernel.dax_waitqueues
        listen_to_all(self.table.heads, "on_look", self.looked)
        listen_to_all(self.table.heads, "on_queued", self.queued)
        listen_to_all(self.table.heads, "on_wake", self.woke)
        queues = (obj for obj in self.world.objects if isinstance(obj, WaitQueueHead))
        listen_to_all(queues, "on_asleep", self.slept)
        for inode in self.kernel.inodes.values():
            listen(inode.i_mapping.i_pages, "watch", self.store_watcher(inode))
        self.sim.on_end.append(self.ended)

    def store_watcher(self, inode: Inode) -> Callable[[int, Entry | None, Entry | None], None]:
        """Follows who deletes and who locks an entry."""
        address = inode.i_mapping.address

        def stored(index: int, old: Entry | None, new: Entry | None) -> None:
            me = self.world.current.index
            if new is None and old is not None:
                self.deleted.setdefault(me, []).append((address, index))
                self.forgive((address, index))
            elif new is not None and new.locked and self.woken:
                self.locked(me, address, range(index, index + new.size(self.kernel.machine)))

        return stored

    def locked(self, me: int, address: int, indices: range) -> None:
        """A task has locked an entry: whoever waits for it is woken by the unlock."""
        key = self.woken.get(me)
        if key is not None and key[0] == address and key[1] in indices:
            del self.woken[me]

    def looked(self, queue: WaitQueueHead, active: bool) -> None:
        if not active:
            self.settle(queue)

    def queued(self, queue: WaitQueueHead, task: Task) -> None:
        """Whoever has the lock wakes somebody later."""
        self.woken.pop(task.index, None)

    def woke(self, queue: WaitQueueHead, key: Hashable, number: int, woken: list[Task]) -> None:
        me = self.world.current
        if number and key in self.deleted.get(me.index, []):
            self.report(f"{me.name} wakes {number} of those who wait for an entry that it has deleted")
        self.settle(queue)
        if not number or any(key in keys for keys in self.deleted.values()):
            self.forgive(key)
            return
        for task in woken:
            if isinstance(key, tuple):
                self.woken[task.index] = key

    def forgive(self, key: Hashable) -> None:
        """All who wait for an entry are woken, or will be by who has deleted it."""
        self.woken = {task: owed for task, owed in self.woken.items() if owed != key}

    def settle(self, queue: WaitQueueHead) -> None:
        """The current task has woken who waits on a queue, or has seen that nobody does."""
        me = self.world.current.index
        if me in self.deleted:
            self.deleted[me] = [key for key in self.deleted[me] if self.queue_of(key) is not queue]
        if me in self.woken and self.queue_of(self.woken[me]) is queue:
            del self.woken[me]

    def queue_of(self, key: Key) -> WaitQueueHead:
        """dax_entry_waitqueue"""
        return self.table.bucket(key[0] ^ key[1])

    def slept(self, queue: WaitQueueHead, task: Task, unlooked: bool) -> None:
        self.leaves_others(task)

    def ended(self, task: Task, call: Call, result: Result) -> None:
        for _, index in self.deleted.pop(task.index, []):
            self.report(f"{call} of {task.name} deletes entry {index}, and wakes nobody")
        self.leaves_others(task)

    def leaves_others(self, task: Task) -> None:
        """A task does nothing more for an entry for which it was woken."""
        if task.index in self.woken:
            _, index = self.woken.pop(task.index)
            self.report(f"{task.name} was woken for entry {index}, and wakes nobody")

    def report(self, message: str) -> None:
        """Report what has done no harm yet."""
        self.world.defer(Violation("entry-wake", message, tasks=(self.world.current.name,)))
