"""F-23 of refcount-0: what leads to the pages of a removed device stays (drivers/nvdimm/pmem.c, v6.19)."""

from __future__ import annotations

from typing import ClassVar, cast

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.refcount_zero.idle_before_unmount import EnsureIdleBeforeUnmount
from daxfuzz.protocols.repairs.fault_holds_device import FixFaultHoldsDevice
from daxfuzz.sim import TaskState, wait_var_event


class FixUnbindBreaks(Repair):
    """After the device has died, break the layout of all files, as eviction does.

    v6.19: page-table entries and i_pages of a mounted ext4 survive the removal of its device. xfs deletes them before
    (MF_MEM_PRE_REMOVE), but read faults go on and insert new ones until it shuts down; and the repair of N-220 spares
    pages that are in use. Here nothing is deleted before it is idle. While it is waited for, faults are let in: they
    fail, since the device is dead.
    """

    flaw = "F-23"
    adds: ClassVar = {"dax_device": ("break_inode",)}
    supersedes = (FixFaultHoldsDevice,)

    class dax_device(DaxDevice):
        async def pmem_release_disk(self) -> None:
            await super().pmem_release_disk()
            for inode in self.k.inodes.values():
                await self.break_inode(inode)

        async def break_inode(self, inode: Inode) -> None:
            """Unmap a file, wait for its pages and delete its entries; invalidate_lock is dropped while asleep.

            Eviction of a file does that itself, and is waited for.
            """
            dax = cast("EnsureIdleBeforeUnmount.dax", self.k.dax)
            mapping = inode.i_mapping
            last = len(inode.extents) - 1
            if not await self.k.vfs.igrab(inode):
                empty = mapping.i_pages.empty
                await wait_var_event(self.k.var_waitqueues, inode.address, empty, TaskState.UNINTERRUPTIBLE)
                return
            await mapping.invalidate_lock.down_write()
            while True:
                await self.k.memory.unmap_mapping_pages(mapping, 0, last + 1)
                page = await dax.dax_layout_busy_page_range(mapping, 0, last)
                if page is None:
                    break
                await mapping.invalidate_lock.up_write()
                await dax.wait_page_idle_uninterruptible(page)
                await mapping.invalidate_lock.down_write()
            await dax.dax_delete_mapping_range(mapping, 0, last)
            await mapping.invalidate_lock.up_write()
            await self.k.vfs.iput(inode)
