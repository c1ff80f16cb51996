"""Character devices that map persistent memory, with no file system (drivers/dax/device.c, v6.0).

Known deviation: the files of a program are devices of one region, which share a page map and an alignment, and are
unbound together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, ClassVar

from daxfuzz.kernel.errno import EINVAL, ENODEV, ENXIO, EOPNOTSUPP
from daxfuzz.kernel.fs.filesystem import Filesystem
from daxfuzz.kernel.inode import block_of
from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.mm import TABLE, Pte, VmFlag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daxfuzz.kernel.fs.filesystem import Falloc, UserCopy
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.memory import Fault
    from daxfuzz.kernel.mm import Mm


class DeviceDax(Filesystem):
    """Its pages have their places for good: no truncation, no entries, no layout to break.

    Nothing but the section of dax_srcu protects a fault. Pages get the mapping and the index of their first fault,
    by plain stores, and keep them. A device that is aligned to more than a page maps only entries of that size, each of
    one compound page.
    """

    name = "device-dax"
    char_device = True
    freezes: ClassVar[bool] = False

    def device_pages(self, files: Mapping[str, int]) -> int:
        """There is nothing to allocate."""
        return sum(files.values())

    def make(self) -> None:
        """Give each device its blocks, one after the other."""
        pfn = 0
        for inode in self.k.inodes.values():
            for index, extent in enumerate(inode.extents):
                extent.value = pfn
                self.k.allocator.table[pfn] = ((inode.number, index),)
                pfn += 1

    def prefault(self, inode: Inode, huge: bool = False) -> None:
        """Map all of a device in every VMA, with entries of its one size, before the world is sealed.

        Each first fault was of the first page that its entry maps.
        """
        for index in range(0, len(inode.extents), self.k.align):
            pfn = block_of(inode.extents[index].value)
            assert pfn is not None
            page = self.k.pages[pfn]
            for vma in inode.i_mapping.i_mmap.value:
                page.mapping.value = inode.i_mapping
                page.index.value = index
                self.prefault_leaf(vma.mm, vma.start + index, Pte(pfn, write=True))
                page.refcount.value += self.k.memory.pte_references()
                page.mapcount.value += self.k.memory.pte_references()

    def prefault_leaf(self, mm: Mm, address: int, leaf: Pte) -> None:
        """Set an entry of the device's size."""
        if self.k.align == self.k.machine.pud_pages:
            mm.pud(address).value = leaf
        elif self.k.align == self.k.machine.pmd_pages:
            mm.pmd(address).value = leaf
        else:
            mm.pmd(address).value = TABLE
            mm.slots[address].value = leaf

    async def mmap(self, inode: Inode, flags: int) -> int:
        """dax_mmap: 0 or what check_vma says; each fault looks again."""
        await self.k.dax_srcu.read_lock()
        error = await self.check_vma(flags)
        await self.k.dax_srcu.read_unlock()
        return error

    def dax_fault(self, vmf: Fault) -> Awaitable[VmFault]:
        """dax_vm_ops"""
        return self.dev_dax_huge_fault(vmf)

    async def dev_dax_huge_fault(self, vmf: Fault) -> VmFault:
        """The device lives until the entry is in the page table, since kill_dax waits for this section."""
        await self.k.dax_srcu.read_lock()
        if vmf.pages == 1:
            result = await self._dev_dax_pte_fault(vmf)
        elif vmf.pages == self.k.machine.pmd_pages:
            result = await self._dev_dax_pmd_fault(vmf)
        else:
            result = await self._dev_dax_pud_fault(vmf)
        await self.k.dax_srcu.read_unlock()
        return result

    async def check_vma(self, flags: int) -> int:
        """-ENXIO once the device is dead, -EINVAL for a private mapping, else 0. flags: of VmFlag.

        The alignment is right, since a VMA maps all of a device.
        """
        if not await self.k.dax_alive.read():
            return -ENXIO
        return 0 if flags & VmFlag.SHARED else -EINVAL

    async def _dev_dax_pte_fault(self, vmf: Fault) -> VmFault:
        """Map a page, as writable as the VMA is, whatever the fault was for. Not on a device with larger pages."""
        if await self.check_vma(vmf.vma.flags) or self.k.align > 1:
            return VmFault.SIGBUS
        return await self.dev_dax_map(vmf)

    async def _dev_dax_pmd_fault(self, vmf: Fault) -> VmFault:
        """Map a PMD. A device that is aligned to less is served page by page; one aligned to more is not served."""
        if await self.check_vma(vmf.vma.flags) or self.k.align > vmf.pages:
            return VmFault.SIGBUS
        if self.k.align < vmf.pages:
            return VmFault.FALLBACK
        return await self.dev_dax_map(vmf)

    async def _dev_dax_pud_fault(self, vmf: Fault) -> VmFault:
        """Map a PUD, which is tried only on a device that is aligned to one."""
        if await self.check_vma(vmf.vma.flags):
            return VmFault.SIGBUS
        return await self.dev_dax_map(vmf)

    async def dev_dax_map(self, vmf: Fault) -> VmFault:
        """What the faults of all sizes end with."""
        pfn = await self.dax_pgoff_to_phys(vmf.vma.mapping.host, vmf.index - vmf.index % vmf.pages)
        await self.dax_set_mapping(vmf, pfn)
        return await self.dev_dax_insert(vmf, pfn)

    def dev_dax_insert(self, vmf: Fault, pfn: int) -> Awaitable[VmFault]:
        """Set the page-table entry: the last part of the faults."""
        if vmf.pages == 1:
            # Not vmf_insert_mixed_mkwrite, also for a write.
            return self.k.memory.vmf_insert_mixed(vmf, Pte(pfn, write=True))
        leaf = Pte(pfn, write=True, dirty=vmf.write)
        if vmf.pages == self.k.machine.pmd_pages:
            return self.k.huge_memory.vmf_insert_pfn_pmd(vmf, leaf)
        return self.k.huge_memory.vmf_insert_pfn_pud(vmf, leaf)

    async def dax_pgoff_to_phys(self, inode: Inode, index: int) -> int:
        """The page frame at an offset into the device. The ranges of a device that is in use do not change."""
        pfn = block_of(await inode.extents[index].read())
        assert pfn is not None
        return pfn

    async def dax_set_mapping(self, vmf: Fault, pfn: int) -> None:
        """Note in the page, or in the head of a compound one, which place of the device it is, once.

        Two first faults of a page store the same, but for the index of a compound page.
        """
        page = await self.k.pages[pfn].head.read()
        if await page.mapping.read() is None:
            await page.mapping.write(vmf.vma.mapping)
            await page.index.write(self.linear_index(vmf))

    def linear_index(self, vmf: Fault) -> int:
        """The index for what a fault maps: of its address, which v6.0 rounds up to the size (N-140)."""
        return -(-vmf.index // vmf.pages) * vmf.pages

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
