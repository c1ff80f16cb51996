"""Abstract states of the entries of files: what their lock tells apart, without saying which file or index it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.oracles.oracle import listen, listen_to_all

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.xarray import XArray
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task, WaitQueueHead

SEVERAL = 2
"""From here on a number of waiters is not counted further."""


class EntryState(NamedTuple):
    """An entry for which somebody waits.

    entry: 0 if it has gone, else 1, and 2 more if it is locked, 4 if no block is behind it, 8 if it is huge.
    exclusive, others: who waits for it: nobody, one, or several.
    strangers: whether somebody waits on the same queue for another entry.
    first: whether the first exclusive waiter waits for this one.
    """

    entry: int
    exclusive: int
    others: int
    strangers: int
    first: int


class EntryStates:
    """Notes the state of an entry whenever somebody begins to wait for it or is woken, and when an entry with waiters
    changes.

    seen: the states of the present execution, in the order of the first time.
    """

    def __init__(self, sim: Simulation) -> None:
        self._kernel = kernel = sim.kernel
        self._arrays = {inode.i_mapping.address: inode.i_mapping.i_pages for inode in kernel.inodes.values()}
        self.seen: dict[EntryState, None] = {}
        listen_to_all(kernel.dax_waitqueues.heads, "on_queued", self._queued)
        listen_to_all(kernel.dax_waitqueues.heads, "on_wake", self._woke)
        for address, i_pages in self._arrays.items():
            listen(i_pages, "watch", self._stored(address))
        sim.world.on_reset.append(self._reset)

    def _reset(self) -> None:
        self.seen = {}

    def _queued(self, queue: WaitQueueHead, task: Task) -> None:
        self._note(queue, next(entry.key for entry in queue.entries if entry.task is task))

    def _woke(self, queue: WaitQueueHead, key: Hashable, number: int, woken: list[Task]) -> None:
        self._note(queue, key)

    def _stored(self, address: int) -> Callable[[int, Entry | None, Entry | None], None]:
        table = self._kernel.dax_waitqueues

        def stored(index: int, old: Entry | None, new: Entry | None) -> None:
            queue = table.bucket(address ^ index)
            if queue.entries:
                self._note(queue, (address, index))

        return stored

    def _note(self, queue: WaitQueueHead, key: Hashable) -> None:
        match key:
            # A patch of the user's may have other keys, of which nothing is known.
            case (address, int() as index) if address in self._arrays:
                self.seen[self._state(queue, (address, index))] = None

    def _state(self, queue: WaitQueueHead, key: tuple[int, int]) -> EntryState:
        address, index = key
        waiting = [entry for entry in queue.entries if entry.key == key]
        exclusive = [entry for entry in queue.entries if entry.exclusive]
        return EntryState(
            self._entry(self._arrays[address], index),
            min(sum(entry.exclusive for entry in waiting), SEVERAL),
            min(sum(not entry.exclusive for entry in waiting), SEVERAL),
            int(len(waiting) < len(queue.entries)),
            int(bool(exclusive) and exclusive[0].key == key),
        )

    def _entry(self, i_pages: XArray, index: int) -> int:
        entry = i_pages.entries.get(index)
        if entry is None:
            return 0
        return 1 + 2 * entry.locked + 4 * (not entry.real) + 8 * entry.huge
