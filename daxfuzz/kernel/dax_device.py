"""The life of a DAX device: its holder, its death, its removal (drivers/dax/super.c, bus.c, nvdimm/pmem.c, v6.0)."""

from __future__ import annotations

from collections.abc import Awaitable

from daxfuzz.kernel.errno import EIO, ENODEV, ENXIO, EOPNOTSUPP
from daxfuzz.kernel.memremap import MemoryType
from daxfuzz.kernel.subsystem import Subsystem

U64_MAX = 2**64 - 1
"""Length, in bytes there and in pages here, with which kill_dax tells the holder that all of the device is gone."""


class DaxDevice(Subsystem):
    """Who uses the device looks at `dax_alive` inside a section of `dax_srcu`; kill_dax waits for these sections.

    Nothing of this looks at page tables, entries or references: what a user holds on to, it keeps.
    """

    async def dax_holder_notify_failure(self, first: int, pages: int, flags: int) -> int:
        """Tell the file system that holds the device of blocks that have failed: 0 or a negative error.

        It works inside the section. -EOPNOTSUPP: nobody holds the device, as ext4 never does.
        """
        await self.k.dax_srcu.read_lock()
        if not await self.k.dax_alive.read():
            error = -ENXIO
        elif not await self.k.dax_holder.read():
            error = -EOPNOTSUPP
        else:
            error = await self.k.fs.notify_failure(first, pages, flags)
        await self.k.dax_srcu.read_unlock()
        return error

    async def kill_dax(self) -> None:
        """The device is dead from here on; who saw it alive has left its section on return."""
        if await self.k.dax_holder.read():
            await self.dax_holder_notify_failure(0, U64_MAX, self.removal_flags())
        await self.k.dax_alive.write(False)
        await self.k.dax_srcu.synchronize()
        await self.k.dax_holder.write(False)

    def removal_flags(self) -> int:
        """mf_flags with which the holder of the device is told that it goes: in v6.0 as if all of it had failed."""
        return 0

    async def kill_dev_dax(self) -> None:
        """kill_dax for a character device: no fault can map it any more, so what is mapped now is all there is."""
        await self.kill_dax()
        for inode in self.k.inodes.values():
            await self.k.memory.unmap_mapping_pages(inode.i_mapping, 0, len(inode.extents))

    async def pmem_release_disk(self) -> None:
        """kill_dax for a block device, and the end of its disk. A mounted file system is not asked.

        The device of virtio-fs has no disk, and its queues end first (virtio_fs_remove, fs/fuse/virtio_fs.c, v6.0).
        """
        if self.k.fuse_conn is not None:
            await self.virtio_fs_stop_all_queues()
        await self.kill_dax()
        if self.k.fuse_conn is None:
            await self.del_gendisk()

    async def virtio_fs_stop_all_queues(self) -> None:
        """No request to the server begins any more, and those under way have ended on return (and
        virtio_fs_drain_all_queues_locked; fs/fuse/virtio_fs.c, v6.0)."""
        await self.k.q_usage.kill()
        await self.k.q_drained.wait()

    async def del_gendisk(self) -> None:
        """No block request begins any more, and those under way have ended on return."""
        await self.k.q_usage.kill()
        await self.k.q_drained.wait()

    def blk_queue_enter(self) -> Awaitable[bool]:
        """A block request begins, and del_gendisk waits for it: False once the disk is gone (-ENODEV)."""
        return self.k.q_usage.tryget_live()

    def blk_queue_exit(self) -> Awaitable[None]:
        """It has ended."""
        return self.k.q_usage.put()

    async def blkdev_issue_zeroout(self, pfn: int) -> bool:
        """Zero a block: False, and nothing done, once the disk is gone (-EIO)."""
        if not await self.blk_queue_enter():
            return False
        await self.k.blocks[pfn].zero()
        await self.blk_queue_exit()
        return True

    async def blkdev_issue_flush(self) -> int:
        """Have the disk make durable what it has: 0, or -EIO once it is gone."""
        if not await self.blk_queue_enter():
            return -EIO
        await self.blk_queue_exit()
        return 0

    async def unbind(self) -> int:
        """Take the driver off the device (device_release_driver): 0, or -ENODEV if there is none any more.

        The driver's release actions run in the opposite order of their registration: first the device dies, then
        its page map goes.
        """
        await self.k.device_lock.acquire()
        error = -ENODEV
        if await self.k.device_bound.read():
            error = 0
            if self.k.pgmap.type is MemoryType.GENERIC:
                await self.kill_dev_dax()
            else:
                await self.pmem_release_disk()
            await self.k.memremap.memunmap_pages(self.k.pgmap)
            await self.k.device_bound.write(False)
        await self.k.device_lock.release()
        return error
