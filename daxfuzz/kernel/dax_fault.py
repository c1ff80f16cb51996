"""DAX page faults (fs/dax.c, dax_iomap_fault and below, v6.0)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from daxfuzz.kernel.dax import WakeMode
from daxfuzz.kernel.entry import CONFLICT, ZERO, ZERO_PMD, Entry
from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.mm import TABLE, Pte, VmFlag
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.kernel.xarray import Mark, XaState

if TYPE_CHECKING:
    from daxfuzz.kernel.block import Block
    from daxfuzz.kernel.fs.filesystem import Iomap
    from daxfuzz.kernel.memory import Fault


class DaxFault(Subsystem):
    """From the fault to the page-table entry; the file system holds invalidate_lock shared.

    A PTE and a PMD fault of one place both hold the entry's lock while they look at the PMD entry and change it.
    """

    def dax_iomap_fault(self, vmf: Fault) -> Awaitable[VmFault]:
        """A read, write or write-protect fault: with an entry of a page or of a PMD; handle_mm_fault tries no PUD."""
        return self.dax_iomap_pte_fault(vmf) if vmf.pages == 1 else self.dax_iomap_pmd_fault(vmf)

    # -- one page ------------------------------------------------------------------------------------------------

    async def dax_iomap_pte_fault(self, vmf: Fault) -> VmFault:
        """Lock the entry, ask the file system, map what it says."""
        mapping = vmf.vma.mapping
        inode = mapping.host
        if vmf.index >= await inode.i_size.read():
            return VmFault.SIGBUS
        xas = XaState(mapping.i_pages, vmf.index)
        entry = await self.k.dax.grab_mapping_entry(mapping, xas, 1)
        result = VmFault.NOPAGE
        if not await self.raced_with_pmd(vmf):
            write = vmf.write and vmf.cow_page is None
            iomap = await self.k.fs.iomap_begin(inode, vmf.index, write, fault=True)
            if iomap is None or iomap.error:
                result = VmFault.SIGBUS
                vmf.error = 0 if iomap is None else iomap.error
            else:
                result, entry = await self.dax_fault_iter(vmf, xas, entry, iomap)
                written = 0 if result in (VmFault.SIGBUS, VmFault.OOM) else 1
                await self.k.fs.iomap_end(inode, vmf.index, write, iomap, written)
        await self.k.dax.dax_unlock_entry(mapping, xas, entry)
        return result

    async def raced_with_pmd(self, vmf: Fault) -> bool:
        """Whether a PMD fault has mapped the page before this fault got the entry's lock: then it is tried again."""
        return isinstance(await vmf.vma.mm.pmd(vmf.address).read(), Pte)

    # -- a PMD ---------------------------------------------------------------------------------------------------

    async def dax_iomap_pmd_fault(self, vmf: Fault) -> VmFault:
        """The same for a PMD. On FALLBACK nothing is mapped at the place; the entry stays, empty if it was new."""
        max_pgoff = await vmf.vma.mapping.host.i_size.read()
        if vmf.index - vmf.index % vmf.pages >= max_pgoff:
            return VmFault.SIGBUS
        result = VmFault.FALLBACK
        if not self.dax_fault_check_fallback(vmf, max_pgoff):
            result = await self.dax_iomap_pmd_fault_locked(vmf)
        if result is VmFault.FALLBACK:
            await self.k.huge_memory.split_huge_pmd(vmf.vma.mm, vmf.address)
        return result

    def dax_fault_check_fallback(self, vmf: Fault, max_pgoff: int) -> bool:
        """Whether the PMD would not be shared, or reach out of the VMA or the file.

        Known deviation: a VMA begins at a multiple of a PMD, so that the colours of address and file page agree.
        """
        vma = vmf.vma
        if vmf.write and not vma.flags & VmFlag.SHARED:
            return True
        addresses = vma.mm.pmd_addresses(vmf.address)
        if addresses.start < vma.start or addresses.stop > vma.end:
            return True
        return vmf.index - vmf.index % vmf.pages + vmf.pages > max_pgoff

    async def dax_iomap_pmd_fault_locked(self, vmf: Fault) -> VmFault:
        """Lock a PMD entry, which conflicts with any smaller one there, ask the file system, map what it says."""
        mapping = vmf.vma.mapping
        xas = XaState(mapping.i_pages, vmf.index, vmf.pages)
        entry = await self.k.dax.grab_mapping_entry(mapping, xas, vmf.pages)
        if entry is CONFLICT:
            return VmFault.FALLBACK
        result = VmFault.NOPAGE
        if not await self.raced_with_pte(vmf):
            iomap = await self.k.fs.iomap_begin(mapping.host, xas.index, vmf.write, vmf.pages, fault=True)
            # Also after an error, which the fault on a page will see again.
            result = VmFault.FALLBACK
            if iomap is not None and not iomap.error:
                if iomap.pages >= vmf.pages:
                    result, entry = await self.dax_fault_iter(vmf, xas, entry, iomap)
                written = 0 if result is VmFault.FALLBACK else vmf.pages
                await self.k.fs.iomap_end(mapping.host, xas.index, vmf.write, iomap, written)
        await self.k.dax.dax_unlock_entry(mapping, xas, entry)
        return result

    async def raced_with_pte(self, vmf: Fault) -> bool:
        """Whether a PTE fault has installed a page table before this fault got the entry's lock."""
        return await vmf.vma.mm.pmd(vmf.address).read() is TABLE

    # -- both ----------------------------------------------------------------------------------------------------

    async def dax_fault_iter(self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap) -> tuple[VmFault, Entry]:
        """Insert the entry and the page-table entry for one extent; returns the entry that is locked now, too."""
        if vmf.cow_page is not None:
            return await self.dax_fault_cow_page(vmf, iomap), entry
        huge = vmf.pages > 1
        if iomap.pfn is None:
            return await (self.dax_pmd_load_hole if huge else self.dax_load_hole)(vmf, xas, entry, iomap)
        pfn, error, entry = await self.dax_insert_block(vmf, xas, entry, iomap, iomap.pfn)
        if error is not None:
            return error, entry
        if vmf.write and iomap.source is not None and iomap.source != pfn:
            for offset in range(vmf.pages):
                if not await self.dax_iomap_cow_copy(iomap.source + offset, pfn + offset):
                    return VmFault.FALLBACK if huge else VmFault.SIGBUS, entry
        if self.dax_fault_is_synchronous(vmf, iomap):
            vmf.pfn = pfn
            return VmFault.NEEDDSYNC, entry
        return await self.insert_pfn(vmf, Pte(pfn, write=vmf.write, dirty=vmf.write), entry.pfn), entry

    def insert_pfn(self, vmf: Fault, new: Pte, pfn: int) -> Awaitable[VmFault]:
        """Map blocks with an entry of the fault's size (the end of dax_fault_iter and of dax_insert_pfn_mkwrite).

        pfn: a page of the folio on which later kernels hold a reference meanwhile.
        """
        if vmf.pages == 1:
            return self.k.memory.vmf_insert_mixed(vmf, new)
        return self.k.huge_memory.vmf_insert_pfn_pmd(vmf, new)

    async def dax_fault_cow_page(self, vmf: Fault, iomap: Iomap) -> VmFault:
        """Fill the private copy and map it; the entry is locked, but stays as it was."""
        assert vmf.cow_page is not None
        copy = self.k.blocks[vmf.cow_page.pfn]
        if iomap.pfn is None:
            await copy.zero()
        elif not await self.copy_cow_page_dax(copy, iomap.pfn):
            return VmFault.SIGBUS
        return await self.k.cow.finish_fault(vmf)

    async def copy_cow_page_dax(self, copy: Block, block: int) -> bool:
        """Copy a block; False once the device is dead."""
        await self.k.dax_srcu.read_lock()
        alive = await self.k.dax_alive.read()
        if alive:
            await copy.write(await self.k.blocks[block].read())
        await self.k.dax_srcu.read_unlock()
        return alive

    async def dax_insert_block(
        self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap, block: int
    ) -> tuple[int, VmFault | None, Entry]:
        """The part of dax_fault_iter that needs a live device: the page, why it failed, and the locked entry."""
        huge = vmf.pages > 1
        pfn = await self.dax_iomap_direct_access(block, vmf.pages)
        if pfn is None:
            return -1, VmFault.FALLBACK if huge else VmFault.SIGBUS, entry
        error, entry = await self.k.dax.dax_insert_entry(xas, vmf, iomap, entry, Entry(pfn, pmd=huge))
        return pfn, error, entry

    async def dax_iomap_cow_copy(self, source: int, pfn: int) -> bool:
        """Fill a new block with the contents of the shared one, through the processor's caches: False once the device
        is dead, which is looked at first."""
        if await self.dax_iomap_direct_access(source, 1) is None:
            return False
        data = await self.k.blocks[source].read()
        await self.k.blocks[pfn].write(data)
        return True

    async def dax_load_hole(self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap) -> tuple[VmFault, Entry]:
        """A read of a hole maps the zero page."""
        # Only what has pages can fail.
        _, entry = await self.k.dax.dax_insert_entry(xas, vmf, iomap, entry, ZERO)
        return await self.k.memory.vmf_insert_mixed(vmf, Pte(0, zero=True)), entry

    async def dax_pmd_load_hole(self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap) -> tuple[VmFault, Entry]:
        """A read of a hole maps the huge zero page. If another fault has done so before, both fall back."""
        _, entry = await self.k.dax.dax_insert_entry(xas, vmf, iomap, entry, ZERO_PMD)
        if await self.k.huge_memory.insert_huge_zero_pmd(vmf.vma.mm, vmf.address):
            return VmFault.NOPAGE, entry
        return VmFault.FALLBACK, entry

    async def dax_iomap_direct_access(self, block: int, pages: int) -> int | None:
        """Page frame of a block, None once the device is dead or if the pages cannot have one entry.

        Nothing protects it after the section has ended.
        """
        await self.k.dax_srcu.read_lock()
        alive = await self.k.dax_alive.read()
        await self.k.dax_srcu.read_unlock()
        return block if alive and block % pages == 0 else None

    # -- MAP_SYNC ------------------------------------------------------------------------------------------------

    def dax_fault_is_synchronous(self, vmf: Fault, iomap: Iomap) -> bool:
        """Whether a write must not be possible before the extent's metadata is durable."""
        return vmf.write and iomap.dirty and bool(vmf.vma.flags & VmFlag.SYNC)

    async def dax_finish_sync_fault(self, vmf: Fault) -> VmFault:
        """Make the range durable and only then map it; the file system still holds invalidate_lock."""
        first = vmf.index
        if await self.k.fs.vfs_fsync_range(vmf.vma.mapping.host, first, first + vmf.pages - 1):
            return VmFault.SIGBUS
        return await self.dax_insert_pfn_mkwrite(vmf)

    def maps_synced(self, vmf: Fault, entry: Entry) -> bool:
        """Whether the entry that is found after the metadata has become durable is taken for that of the fault."""
        return vmf.pages > 1 or not entry.huge

    async def dax_insert_pfn_mkwrite(self, vmf: Fault) -> VmFault:
        """Map what NEEDDSYNC left unmapped, writable. The entry was unlocked meanwhile: if it is gone, or not of
        this size, the access is tried again."""
        mapping = vmf.vma.mapping
        i_pages = mapping.i_pages
        xas = XaState(i_pages, vmf.index, vmf.pages)
        await i_pages.lock.acquire()
        entry = await self.k.dax.get_unlocked_entry(mapping, xas, vmf.pages)
        if entry is None or entry is CONFLICT or not self.maps_synced(vmf, entry):
            await self.k.dax.put_unlocked_entry(mapping, xas, entry, WakeMode.WAKE_NEXT)
            await i_pages.lock.release()
            return VmFault.NOPAGE
        await i_pages.set_mark(xas.index, Mark.DIRTY)
        await self.k.dax.dax_lock_entry(xas, entry)
        await i_pages.lock.release()
        result = await self.insert_synced_pfn(vmf)
        await self.k.dax.dax_unlock_entry(mapping, xas, entry)
        return result

    def insert_synced_pfn(self, vmf: Fault) -> Awaitable[VmFault]:
        """The end of dax_insert_pfn_mkwrite, with the entry locked again: no look at the PMD entry, as before."""
        return self.insert_pfn(vmf, Pte(vmf.pfn, write=True, dirty=True), vmf.pfn)
