"""Changes of a file whose layout an NFS client has leased."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle, listen

if TYPE_CHECKING:
    from daxfuzz.kernel.block import Owner
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.sim import Lock, Task


class LayoutLease(Oracle):
    """Who changes size or blocks of a file with IOLOCK held has waited for all leases of its layout (xfs, pNFS).

    The client writes to the blocks that it was told of, whatever file they belong to by then. A lease that was taken
    since IOLOCK is held does not count: what the client is told needs IOLOCK, too. Faults call no lease back; nor is a
    write judged that changes only data.

    Nor does anybody have IOLOCK or MMAPLOCK of the file while he waits for a lease: the client may have to commit what
    it has written before it gives the lease back, which needs IOLOCK (fs/xfs/xfs_pnfs.c, xfs_fs_commit_blocks, v6.0).
    """

    kinds = ("leased-layout",)

    def attach(self) -> None:
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        if not self.kernel.fs.leases_layouts or not any(call.name == "lease" for call in calls):
            return
        listen(self.kernel.allocator, "on_share", self.shared)
        for inode in self.kernel.inodes.values():
            listen(inode.layout_leases, "watch", self.lease_watcher(inode))
            listen(inode.i_rwsem, "on_release", self.release_watcher(inode))
            for cell in (inode.i_size, *inode.extents):
                listen(cell, "watch", self.change_watcher(inode))

    def reset(self) -> None:
        # Per file that is leased: the task that had IOLOCK when nobody else had a lease, and has it still.
        self.exempt: dict[int, Task | None] = {}

    def memory(self) -> Hashable:
        return tuple(sorted((number, -1 if task is None else task.index) for number, task in self.exempt.items()))

    def lease_watcher(self, inode: Inode) -> Callable[[int, int], None]:
        """Follows the number of leases."""

        def changed(old: int, new: int) -> None:
            if new < old:
                self.returned(inode)
            if not new:
                self.exempt.pop(inode.number, None)
            elif not old:
                self.exempt[inode.number] = inode.i_rwsem.writer

        return changed

    def returned(self, inode: Inode) -> None:
        """A lease has come back that somebody may wait for."""
        for entry in inode.lease_wait.entries:
            for lock in (inode.i_rwsem, inode.i_mapping.invalidate_lock):
                if lock in entry.task.held:
                    message = f"{entry.task.name} waits for a lease of {inode.name} with {lock.name} held"
                    self.fail("leased-layout", message, tasks=(entry.task.name,), channel=lock.lock_class)

    def release_watcher(self, inode: Inode) -> Callable[[Lock, Task], None]:
        """From here on a lease is one for whoever takes IOLOCK."""

        def released(lock: Lock, task: Task) -> None:
            if self.exempt.get(inode.number) is task:
                self.exempt[inode.number] = None

        return released

    def change_watcher(self, inode: Inode) -> Callable[[object, object], None]:
        """Judges each change of size or blocks."""

        def changed(old: object, new: object) -> None:
            if old != new:
                self.judge(inode)

        return changed

    def shared(self, pfn: int, owner: Owner) -> None:
        """A block is that of one more file page: who has it writes to a copy from now on."""
        for number, _ in self.kernel.allocator.table[pfn]:
            self.judge(self.kernel.inode_by_number(number))

    def judge(self, inode: Inode) -> None:
        """Report a change by who has IOLOCK, under a lease that it should have waited for."""
        me = self.world.current
        if inode.number in self.exempt and inode.i_rwsem.written_by(me) and self.exempt[inode.number] is not me:
            message = f"{me.name} changes {inode.name} although a client has a lease of its layout"
            self.fail("leased-layout", message, channel="layout_lease")
