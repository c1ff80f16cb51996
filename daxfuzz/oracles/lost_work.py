"""Work items that nobody has queued."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.kernel.fs.fuse_dax import FUSE_DAX_RECLAIM_CHUNK
from daxfuzz.kernel.super import Frozen
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.fuse_conn import Dmap
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task

WORKER = "fuse_dax_free_mem_worker"


class LostWork(Oracle):
    """A worker of the kernel that has something to do runs, is queued, or will be by somebody under way.

    Of virtio-fs the one that frees ranges, while too few are free; of xfs the one that frees the blocks of files that
    are gone, while the file system is not frozen. A run of the former that goes well leaves no range in its file that
    nobody has used since, unless the file could not be grabbed at some time: reclaim was about to evict it.
    """

    kinds = ("lost-work",)

    def attach(self) -> None:
        self.world.on_end.append(self.at_rest)
        conn = self.kernel.fuse_conn
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        if conn is None or not any(call.name == WORKER for call in calls):
            return
        self.sim.on_begin.append(self.began, (WORKER,))
        self.sim.on_end.append(self.ran, (WORKER,))
        listen(conn.free_work, "watch", self.work_taken)
        for dmap in conn.dmaps:
            for cell in (dmap.inode, dmap.refcnt):
                listen(cell, "watch", self.use_watcher(dmap))
        for inode in self.kernel.inodes.values():
            listen(inode.i_count, "watch", self.file_watcher(inode))

    def reset(self) -> None:
        # Per run that is under way the ranges that it has to free.
        self.unused: dict[int, list[Dmap]] = {}

    def memory(self) -> Hashable:
        unused = self.unused.items()
        return tuple(sorted((index, tuple(sorted(dmap.number for dmap in dmaps))) for index, dmaps in unused))

    def began(self, task: Task, call: Call) -> None:
        conn = self.kernel.fuse_conn
        assert conn is not None, "only fuse mounts are watched"
        if conn.free_work.value and conn.nr_ranges <= FUSE_DAX_RECLAIM_CHUNK:
            idle = [dmap for dmap in conn.busy_ranges.value if dmap.refcnt.value == 1]
            self.unused[task.index] = [dmap for dmap in idle if dmap.inode.value and dmap.inode.value.i_count.value]

    def work_taken(self, old: bool, new: bool) -> None:
        """One run takes the work, another one that has waited for it finds none."""
        if old and not new:
            me = self.world.current.index
            self.unused = {index: dmaps for index, dmaps in self.unused.items() if index == me}

    def use_watcher(self, dmap: Dmap) -> Callable[[object, object], None]:
        """From now on a run need not find a range."""

        def used(old: object, new: object) -> None:
            for dmaps in self.unused.values():
                if dmap in dmaps:
                    dmaps.remove(dmap)

        return used

    def file_watcher(self, inode: Inode) -> Callable[[int, int], None]:
        """A run cannot find the ranges of a file that it cannot grab."""

        def counted(old: int, new: int) -> None:
            if not new:
                for dmaps in self.unused.values():
                    dmaps[:] = [dmap for dmap in dmaps if dmap.inode.value is not inode]

        return counted

    def ran(self, task: Task, call: Call, result: Result) -> None:
        for dmap in self.unused.pop(task.index, []):
            inode = dmap.inode.value
            held = [] if inode is None or not inode.i_count.value else [each for _, each in inode.fuse.tree.value]
            if result == 0 and inode is not None and dmap in held:
                self.fail("lost-work", f"{task.name} leaves {dmap} in {inode.name}, and nobody uses it", channel=WORKER)

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
