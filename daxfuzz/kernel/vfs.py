"""Descriptors, the life of inodes, freezing and cache dropping (fs/file_table.c, fs/inode.c, fs/super.c, v6.0)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EBADF, EBUSY, EINVAL, ENOENT, EOPNOTSUPP
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.kernel.super import Frozen
from daxfuzz.sim import wake_up_var

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.sim import Task


class Vfs(Subsystem):
    """What is the same for all file systems."""

    # -- descriptors ---------------------------------------------------------------------------------------------

    async def fdget(self, mm: Mm, inode: Inode) -> bool:
        """Look a descriptor up in a table that threads share, and keep the file: whether it was open.

        A process of one thread needs no reference, since nobody else can close the descriptor.
        """
        while await mm.files.look(inode.number):
            # The descriptor may be closed before the reference is there, and the file be gone.
            if await self.igrab(inode):
                if await mm.files.look(inode.number):
                    return True
                self.fput(inode)
        return False

    async def get_file(self, inode: Inode) -> None:
        """One more VMA, or descriptor table, that refers to a file which the caller keeps."""
        await inode.i_count.add(1)

    def fput(self, inode: Inode) -> None:
        """Drop a file reference: on the way back to user space (task_work), so that no lock is held then."""
        self.k.task_works.setdefault(self.k.world.current.index, []).append(inode)

    async def task_work_run(self, task: Task) -> None:
        """What a task has put off until it returns to user space."""
        for inode in self.k.task_works.pop(task.index, ()):
            await self.iput(inode)

    async def do_close(self, mm: Mm, inode: Inode) -> int:
        """close(2): 0 or -EBADF."""
        await mm.files.lock.acquire()
        found = await mm.files.close(inode.number)
        await mm.files.lock.release()
        if not found:
            return -EBADF
        self.fput(inode)
        return 0

    async def dup_fd(self, child: Mm, parent: Mm) -> None:
        """Copy the descriptors of a process for its child."""
        await parent.files.lock.acquire()
        numbers = await parent.files.all()
        for inode in self.k.inodes.values():
            if inode.number in numbers:
                await self.get_file(inode)
        await parent.files.lock.release()
        if numbers:
            await child.files.fill(numbers)

    async def exit_files(self, mm: Mm) -> None:
        """Close all descriptors of a process whose last task ends."""
        numbers = await mm.files.all()
        if numbers:
            await mm.files.fill(())
        for inode in self.k.inodes.values():
            if inode.number in numbers:
                self.fput(inode)

    # -- inodes --------------------------------------------------------------------------------------------------

    async def iput(self, inode: Inode) -> None:
        """Drop a reference; the last one evicts the inode, whose name is gone then (iput_final).

        A file that has a name stays in the inode cache: the name holds a reference here.
        """
        if not await inode.i_count.add_return(-1):
            await self.evict(inode)

    async def igrab(self, inode: Inode) -> bool:
        """Take a reference unless the inode is being freed."""
        return await inode.i_count.add_unless_zero(1)

    async def evict(self, inode: Inode) -> None:
        """Nobody can find the inode any more. Wait for a writeback that has no reference, then tear it down, and wake
        who waits for that (__wait_on_freeing_inode; bits and variables share their queues)."""
        await inode.i_sync.acquire()
        await inode.i_sync.release()
        await self.k.fs.evict_inode(inode)
        await wake_up_var(self.k.var_waitqueues, inode.address)
        await self.destroy_inode(inode)

    async def destroy_inode(self, inode: Inode) -> None:
        """Free the inode's memory after a grace period of RCU, if the file system does so then.

        Known deviation: who evicts waits for the grace period, where the kernel leaves that to call_rcu.
        """
        if self.k.fs.frees_inodes:
            await self.k.rcu.synchronize()
            await inode.i_mapping.i_pages.free()

    async def do_unlinkat(self, inode: Inode) -> int:
        """unlink(2) of the file's only name: 0, -ENOENT or the file system's error.

        The last reference, if it is here, goes without i_rwsem.
        """
        sb = self.k.sb
        await sb.writers.down_read()
        await self.k.directory.down_write()
        error = -ENOENT
        if await inode.i_nlink.read():
            # The caller's own (ihold) and the name's are dropped together; only the last of them matters.
            await inode.i_rwsem.down_write()
            error = await self.k.fs.unlink(inode)
            await inode.i_rwsem.up_write()
            if not error:
                await self.d_delete(inode)
        await self.k.directory.up_write()
        if not error:
            await self.iput(inode)
        await sb.writers.up_read()
        return error

    async def d_delete(self, inode: Inode) -> None:
        """Who uses the file keeps the dentry, which leaves the cache; else it stays and says that the name is gone
        (fs/dcache.c, v6.0 and v6.19).

        Known deviation: the inode's count stands for that of the dentry.
        """
        if await inode.i_count.read() > 1:
            await inode.unhashed.write(True)

    async def do_sys_open(self, inode: Inode, truncate: bool) -> int:
        """open(2) by name with O_RDWR, with O_TRUNC or not, and close(2): 0, -ENOENT or another negative error.

        Known deviation: the name is gone a moment before its dentry is.
        """
        if not await inode.i_nlink.read():
            if await inode.unhashed.read():
                await self.open_last_lookups(inode)
            return -ENOENT
        if not await self.igrab(inode):
            return -ENOENT
        error = await self.k.fs.do_open(inode, truncate)
        self.fput(inode)
        return error

    async def open_last_lookups(self, inode: Inode) -> None:
        """The part of open_last_lookups (fs/namei.c, v6.0 and v6.19) for a name that is not cached and is gone.

        The directory is asked with the right to write, since the file is opened for that: it waits for a thaw, only to
        find nothing, which is cached from then on. Known deviation: fuse asks its server each time.
        """
        await self.k.sb.writers.down_read()
        await self.k.directory.down_read()
        await inode.unhashed.write(False)
        await self.k.directory.up_read()
        await self.k.sb.writers.up_read()

    # -- leases --------------------------------------------------------------------------------------------------

    async def take_lease(self, inode: Inode) -> int:
        """vfs_setlease of the layout: 0, or -ENOENT for a file without a name (fs/locks.c, v6.0)."""
        if not await inode.i_nlink.read():
            return -ENOENT
        await inode.layout_leases.add(1)
        return 0

    async def return_lease(self, inode: Inode) -> int:
        """The lease is gone: 0, or -EINVAL if there is none. The last one wakes all who wait."""
        if not await inode.layout_leases.add_unless_zero(-1):
            return -EINVAL
        await inode.lease_wait.wake(None, 0)
        return 0

    # -- the super block -----------------------------------------------------------------------------------------

    async def ioctl_fsfreeze(self) -> int:
        """ioctl(FIFREEZE): 0, -EBUSY, or -EOPNOTSUPP."""
        return await self.freeze_super() if self.k.fs.freezes else -EOPNOTSUPP

    async def freeze_super(self, complete: Frozen = Frozen.COMPLETE) -> int:
        """Close the levels one by one: 0, or -EBUSY if somebody has done so. Not interruptible.

        complete: COMPLETE for user space, KERNEL for the kernel.
        """
        sb = self.k.sb
        await sb.s_umount.down_write()
        if await sb.frozen.read() is not Frozen.UNFROZEN:
            await sb.s_umount.up_write()
            return -EBUSY
        await sb.frozen.write(Frozen.WRITE)
        # Writers may need s_umount, so it is not held while they leave.
        await sb.s_umount.up_write()
        await sb.writers.down_write()
        await sb.s_umount.down_write()
        await sb.frozen.write(Frozen.PAGEFAULT)
        await sb.pagefault.down_write()
        await self.sync_filesystem()
        await sb.frozen.write(Frozen.FS)
        await sb.intwrite.down_write()
        await self.k.fs.freeze_fs()
        await sb.frozen.write(complete)
        await sb.s_umount.up_write()
        return 0

    async def thaw_super(self, complete: Frozen = Frozen.COMPLETE) -> int:
        """ioctl(FITHAW): 0, or -EINVAL if the file system is not frozen. Anybody in user space may thaw.

        complete: COMPLETE for user space, KERNEL for the kernel.
        """
        sb = self.k.sb
        await sb.s_umount.down_write()
        if await sb.frozen.read() is not complete:
            await sb.s_umount.up_write()
            return -EINVAL
        await self.k.fs.unfreeze_fs()
        await sb.frozen.write(Frozen.UNFROZEN)
        for level in (sb.intwrite, sb.pagefault, sb.writers):
            await level.up_write()
        await sb.s_umount.up_write()
        return 0

    async def sync_filesystem(self) -> None:
        """Write back all inodes that are not being freed, then the metadata; s_umount is held."""
        if self.k.sb.s_umount not in self.k.world.current.held:
            self.k.warn("sync_filesystem: s_umount is not held", None)
        for inode in self.k.inodes.values():
            await inode.i_sync.acquire()
            if await inode.i_count.read():
                await self.writeback_single_inode(inode)
            await inode.i_sync.release()
        await self.k.fs.sync_fs()

    def writeback_single_inode(self, inode: Inode) -> Awaitable[int]:
        """__writeback_single_inode: write the data back; I_SYNC is held (fs/fs-writeback.c, v6.0)."""
        if inode.i_sync not in self.k.world.current.held:
            self.k.warn("__writeback_single_inode: I_SYNC is not set", None)
        last = len(inode.extents) - 1
        return self.k.dax_writeback.dax_writeback_mapping_range(inode.i_mapping, 0, last)

    async def drop_caches(self) -> int:
        """Write 1 to /proc/sys/vm/drop_caches: DAX entries stay, but each inode is held meanwhile.

        An inode's reference is dropped after that of the next one was taken; it may be the last.
        """
        await self.k.sb.s_umount.down_read()
        before: Inode | None = None
        for inode in self.k.inodes.values():
            if await inode.i_mapping.i_pages.empty() or not await self.igrab(inode):
                continue
            await self.k.truncate.invalidate_mapping_pages(inode.i_mapping)
            if before is not None:
                await self.iput(before)
            before = inode
        if before is not None:
            await self.iput(before)
        await self.k.sb.s_umount.up_read()
        return 0
