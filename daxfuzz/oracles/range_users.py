"""Ghost state: which tasks use which range of a virtio-fs window."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.ghost import Ghost
from daxfuzz.oracles.oracle import listen

if TYPE_CHECKING:
    from daxfuzz.program.simulation import Simulation


class RangeUsers(Ghost):
    """Follows the reference counts of ranges.

    users: per range the indices of the tasks whose iomaps hold a reference, once for each.
    """

    def __init__(self, sim: Simulation) -> None:
        super().__init__(sim)
        conn = self.kernel.fuse_conn
        dmaps = [] if conn is None else conn.dmaps
        self.users: list[list[int]] = [[] for _ in dmaps]
        sim.world.on_reset.append(self.reset)
        sim.world.memories[type(self).__name__] = self.memory
        for dmap, users in zip(dmaps, self.users, strict=True):
            listen(dmap.refcnt, "watch", self.watcher(users))

    def memory(self) -> Hashable:
        return tuple([tuple(sorted(users)) for users in self.users])

    def reset(self) -> None:
        for users in self.users:
            users.clear()

    def watcher(self, users: list[int]) -> Callable[[int, int], None]:
        def changed(old: int, new: int) -> None:
            me = self.world.current.index
            if new > old:
                users.append(me)
            elif me in users:
                users.remove(me)

        return changed
