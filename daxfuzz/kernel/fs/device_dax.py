"""Character devices that map persistent memory, with no file system (drivers/dax/device.c, v6.0).

Known deviation: the files of a program are devices of one region, which share a page map and are unbound together.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, ClassVar

from daxfuzz.kernel.errno import EINVAL, ENODEV, ENXIO, EOPNOTSUPP
from daxfuzz.kernel.fs.filesystem import Filesystem
from daxfuzz.kernel.inode import block_of
from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.mm import TABLE, Pte

if TYPE_CHECKING:
    from daxfuzz.kernel.fs.filesystem import Falloc, UserCopy
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.memory import Fault


class DeviceDax(Filesystem):
    """Its pages have their places for good: no truncation, no entries, no layout to break.

    Nothing but the section of dax_srcu protects a fault. Pages get the mapping and the index of their first fault,
    by plain stores, and keep them.
    """

    name = "device-dax"
    char_device = True
    freezes: ClassVar[bool] = False

    def make(self) -> None:
        """Give each device its blocks, one after the other."""
        pfn = 0
        for inode in self.k.inodes.values():
            for index, extent in enumerate(inode.extents):
                extent.value = pfn
                self.k.allocator.table[pfn] = ((inode.number, index),)
                pfn += 1

    def prefault(self, inode: Inode, huge: bool = False) -> None:
        """Map all of a device in every VMA, page by page, before the world is sealed."""
        for index, extent in enumerate(inode.extents):
            pfn = block_of(extent.value)
            assert pfn is not None
            for vma in inode.i_mapping.i_mmap.value:
                self.k.pages[pfn].mapping.value = inode.i_mapping
                self.k.pages[pfn].index.value = index
                vma.mm.pmd(vma.start + index).value = TABLE
                vma.mm.slots[vma.start + index].value = Pte(pfn, write=True)
                self.k.pages[pfn].refcount.value += self.k.memory.pte_references()
                self.k.pages[pfn].mapcount.value += self.k.memory.pte_references()

    async def mmap(self, inode: Inode) -> int:
        """dax_mmap: -ENXIO once the device is dead; each fault looks again."""
        await self.k.dax_srcu.read_lock()
        alive = await self.k.dax_alive.read()
        await self.k.dax_srcu.read_unlock()
        return 0 if alive else -ENXIO

    def dax_fault(self, vmf: Fault) -> Awaitable[VmFault]:
        """dax_vm_ops"""
        return self.dev_dax_huge_fault(vmf)

    async def dev_dax_huge_fault(self, vmf: Fault) -> VmFault:
        """The device lives until the entry is in the page table, since kill_dax waits for this section."""
        await self.k.dax_srcu.read_lock()
        result = VmFault.SIGBUS
        if await self.k.dax_alive.read():
            # A fault that is larger than the alignment, a page here, is served page by page.
            result = VmFault.FALLBACK if vmf.pages > 1 else await self._dev_dax_pte_fault(vmf)
        await self.k.dax_srcu.read_unlock()
        return result

    async def _dev_dax_pte_fault(self, vmf: Fault) -> VmFault:
        """Map a page, as writable as the VMA is, whatever the fault was for."""
        pfn = await self.dax_pgoff_to_phys(vmf.vma.mapping.host, vmf.index)
        await self.dax_set_mapping(vmf, pfn)
        return await self.k.memory.vmf_insert_mixed(vmf, Pte(pfn, write=True))

    async def dax_pgoff_to_phys(self, inode: Inode, index: int) -> int:
        """The page frame at an offset into the device. The ranges of a device that is in use do not change."""
        pfn = block_of(await inode.extents[index].read())
        assert pfn is not None
        return pfn

    async def dax_set_mapping(self, vmf: Fault, pfn: int) -> None:
        """Note in the page which place of the device it is, once. Two first faults of a page store the same."""
        page = await self.k.pages[pfn].head.read()
        if await page.mapping.read() is None:
            await page.mapping.write(vmf.vma.mapping)
            await page.index.write(vmf.index)

    # -- what a character device does not do ---------------------------------------------------------------------

    async def do_truncate(self, inode: Inode, size: int) -> int:
        """do_sys_ftruncate: not a regular file."""
        return -EINVAL

    async def do_fallocate(self, inode: Inode, mode: Falloc, first: int, length: int) -> int:
        """vfs_fallocate: neither a regular file nor a block device."""
        return -ENODEV

    async def do_write(self, inode: Inode, index: int, value: int, copy: UserCopy | None = None) -> int:
        """vfs_write: f_op has no write_iter."""
        return -EINVAL

    async def unlink(self, inode: Inode) -> int:
        """Known deviation: the node of a device cannot be removed; that would not touch the inode that is mapped."""
        return -EOPNOTSUPP

    async def fsync(self, inode: Inode) -> int:
        """vfs_fsync_range: f_op has no fsync."""
        return -EINVAL
