"""Work items that nobody has queued."""

from __future__ import annotations

from daxfuzz.kernel.super import Frozen
from daxfuzz.oracles.oracle import Oracle
from daxfuzz.sim import Violation


class LostWork(Oracle):
    """A worker of the kernel that has something to do runs, is queued, or will be by somebody under way.

    Of virtio-fs the one that frees ranges, while too few are free; of xfs the one that frees the blocks of files that
    are gone, while the file system is not frozen.
    """

    kinds = ("lost-work",)

    def attach(self) -> None:
        self.world.on_end.append(self.at_rest)

    def at_rest(self) -> None:
        if any(task.held for task in self.world.tasks):
            return
        conn = self.kernel.fuse_conn
        if conn is not None and not conn.free_work.value and conn.nr_free_ranges.value < conn.threshold():
            message = f"{conn.nr_free_ranges.value} ranges are free, and nobody has queued the worker"
            raise Violation("lost-work", message, channel="fcd.free_work")
        sb, inodegc = self.kernel.sb, self.kernel.inodegc
        if inodegc.queued and not inodegc.enabled and sb.frozen.value is Frozen.UNFROZEN:
            raise Violation("lost-work", "files are to be freed, and nobody has started the worker", channel="inodegc")
