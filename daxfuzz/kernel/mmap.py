"""mmap and munmap (mm/mmap.c, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EEXIST, EINTR
from daxfuzz.kernel.mm import VMA_PAGES, Mm, Vma, VmFlag
from daxfuzz.kernel.subsystem import Subsystem

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode


class Mmap(Subsystem):
    """Mappings come and go, whole files at a time, at an address that is the file's own in each mm."""

    async def do_mmap(self, mm: Mm, inode: Inode, flags: int = VmFlag.SHARED) -> int:
        """mmap(MAP_FIXED_NOREPLACE): 0, -EEXIST, or -EINTR when killed while it waits for mmap_lock.

        flags: of VmFlag.
        """
        if not await mm.mmap_lock.down_write(killable=True):
            return -EINTR
        vmas = await mm.vmas.read()
        mapping = inode.i_mapping
        error = -EEXIST
        if all(vma.mapping is not mapping for vma in vmas):
            error = await self.k.fs.mmap(inode, flags)
        if not error:
            await self.k.vfs.get_file(inode)
            flags |= self.k.fs.vm_flags
            vma = Vma(mm, mapping, inode.number * VMA_PAGES, len(inode.extents), flags)
            if mm.anon_vma:
                await mm.anon_vma[inode.number].write(False)
            await self.vma_link(vma, vmas)
        await mm.mmap_lock.up_write()
        return error

    async def vma_link(self, vma: Vma, vmas: tuple[Vma, ...]) -> None:
        """Put a VMA into its mm, beside those that it has, and into the file's tree, both under i_mmap_rwsem."""
        mapping = vma.mapping
        await mapping.i_mmap_rwsem.down_write()
        await vma.mm.vmas.write((*vmas, vma))
        i_mmap = await mapping.i_mmap.read()
        await mapping.i_mmap.write((*i_mmap, vma))
        await mapping.i_mmap_rwsem.up_write()

    async def do_munmap(self, mm: Mm, inode: Inode) -> int:
        """munmap: 0 also if nothing was mapped; -EINTR when killed while it waits for mmap_lock.

        The VMA leaves the mm first; mmap_lock is then held only shared while the entries go.
        """
        if not await mm.mmap_lock.down_write(killable=True):
            return -EINTR
        vmas = await mm.vmas.read()
        gone = [vma for vma in vmas if vma.mapping is inode.i_mapping]
        if not gone:
            await mm.mmap_lock.up_write()
            return 0
        await mm.vmas.write(tuple(vma for vma in vmas if vma not in gone))
        await mm.mmap_lock.downgrade_write()
        await self.unmap_region(gone[0])
        self.k.vfs.fput(inode)
        await mm.mmap_lock.up_read()
        return 0

    async def unmap_region(self, vma: Vma) -> None:
        """Zap, unlink from the file's tree, and only then flush (x86: gathers of neighbouring VMAs are merged)."""
        tlb = await self.k.tlb.tlb_gather_mmu(vma.mm)
        tlb.vma_pfn = bool(vma.flags & VmFlag.MIXEDMAP)
        await self.k.memory.unmap_page_range(tlb, vma.addresses(0, vma.pages - 1))
        await self.k.tlb.tlb_end_vma(tlb)
        await self.free_pgtables(vma)
        await self.k.tlb.tlb_finish_mmu(tlb)

    async def exit_mmap(self, mm: Mm) -> None:
        """The last user has gone: unmap everything in one gather, with mmap_lock held exclusively to the end."""
        await mm.mmap_lock.down_write()
        vmas = await mm.vmas.read()
        if vmas:
            tlb = await self.k.tlb.tlb_gather_mmu(mm)
            for vma in vmas:
                await self.k.memory.unmap_page_range(tlb, vma.addresses(0, vma.pages - 1))
                await self.k.tlb.tlb_end_vma(tlb)
            for vma in vmas:
                await self.free_pgtables(vma)
            await self.k.tlb.tlb_finish_mmu(tlb)
            for vma in vmas:
                self.k.vfs.fput(vma.mapping.host)
            await mm.vmas.write(())
        await mm.mmap_lock.up_write()

    async def free_pgtables(self, vma: Vma) -> None:
        """Unlink the VMA from the file's tree, and only then take the page tables away, which need no lock by now."""
        await self.unlink_file_vma(vma)
        if vma.mm.puds:
            return
        for address in range(vma.start, vma.end, vma.mm.pmd_pages):
            await vma.mm.pmd(address).write(None)

    async def unlink_file_vma(self, vma: Vma) -> None:
        """Take a VMA out of the file's tree."""
        mapping = vma.mapping
        await mapping.i_mmap_rwsem.down_write()
        i_mmap = await mapping.i_mmap.read()
        await mapping.i_mmap.write(tuple(other for other in i_mmap if other is not vma))
        await mapping.i_mmap_rwsem.up_write()
