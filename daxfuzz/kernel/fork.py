"""Copies of address spaces (kernel/fork.c, dup_mmap; mm/memory.c, copy_page_range and below; v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EINTR, ENOMEM
from daxfuzz.kernel.mm import TABLE, Pte, Vma, VmFlag
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.sim import Signal

if TYPE_CHECKING:
    from daxfuzz.kernel.mm import Mm
    from daxfuzz.kernel.page import Page


class Fork(Subsystem):
    """A child gets all mappings of its parent, and the page tables of those that faults cannot fill again."""

    async def dup_mm(self, child: Mm, parent: Mm) -> int:
        """Fill an empty mm with a copy of the parent's: 0, -EINTR when killed, or -ENOMEM; then it is empty again."""
        error = await self.dup_mmap(child, parent)
        if error:
            await self.k.mmap.exit_mmap(child)
        return error

    async def dup_mmap(self, child: Mm, parent: Mm) -> int:
        """Copy VMA by VMA with both mmap_locks held, and flush the parent's translations at the end."""
        if not await parent.mmap_lock.down_write(killable=True):
            return -EINTR
        await child.mmap_lock.down_write(subclass=1)
        error = 0
        for vma in await parent.vmas.read():
            if self.k.world.current.signal is Signal.FATAL:
                error = -EINTR
                break
            error = await self.dup_vma(child, vma)
            if error:
                break
        await child.mmap_lock.up_write()
        await self.k.tlb.flush_tlb_mm_range(parent, list(parent.slots))
        await parent.mmap_lock.up_write()
        return error

    async def dup_vma(self, child: Mm, vma: Vma) -> int:
        """One VMA: it follows the parent's in the file's tree, so that who walks the tree meets the parent first."""
        new = Vma(child, vma.mapping, vma.start, vma.pages, vma.flags)
        await self.anon_vma_fork(new, vma)
        mapping = vma.mapping
        await self.k.vfs.get_file(mapping.host)
        await mapping.i_mmap_rwsem.down_write()
        i_mmap = await mapping.i_mmap.read()
        place = i_mmap.index(vma) + 1
        await mapping.i_mmap.write((*i_mmap[:place], new, *i_mmap[place:]))
        await mapping.i_mmap_rwsem.up_write()
        await child.vmas.write((*await child.vmas.read(), new))
        return await self.copy_page_range(new, vma)

    async def anon_vma_fork(self, new: Vma, vma: Vma) -> None:
        """The child's mapping has anonymous pages if the parent's has."""
        number = vma.mapping.host.number
        if vma.mm.anon_vma and await vma.mm.anon_vma[number].read():
            await new.mm.anon_vma[number].write(True)

    async def vma_needs_copy(self, vma: Vma) -> bool:
        """Whether page tables hold what faults could not bring back."""
        if vma.flags & VmFlag.MIXEDMAP:
            return True
        return bool(vma.mm.anon_vma) and await vma.mm.anon_vma[vma.mapping.host.number].read()

    async def copy_page_range(self, new: Vma, vma: Vma) -> int:
        """Copy the page tables of a VMA: 0 or -ENOMEM. write_protect_seq is odd while private pages lose writability,
        so that lockless pins give up. PMD entries of files are left to faults."""
        if not await self.vma_needs_copy(vma):
            return 0
        mm = vma.mm
        is_cow = not vma.flags & VmFlag.SHARED
        if is_cow:
            await mm.write_protect_seq.add(1)
        error = 0
        first = vma.start
        while first < vma.end and not error:
            stop = mm.pmd_addr_end(first, vma.end)
            if await mm.pmd(first).read() is TABLE:
                error = await self.copy_pte_range(new, vma, range(first, stop))
            first = stop
        if is_cow:
            await mm.write_protect_seq.add(1)
        return error

    async def copy_pte_range(self, new: Vma, vma: Vma, addresses: range) -> int:
        """Copy one page table, both locked, the child's first. A page for a copy is allocated with neither locked."""
        prealloc: Page | None = None
        address = addresses.start
        while address < addresses.stop:
            await self.k.memory.pte_alloc(new.mm, address, may_fail=False)
            dst_ptl = new.mm.ptl(address)
            src_ptl = vma.mm.ptl(address)
            await dst_ptl.acquire()
            await src_ptl.acquire(subclass=1)
            again = False
            while address < addresses.stop:
                again, prealloc = await self.copy_present_pte(new, vma, address, prealloc)
                if again:
                    break
                if prealloc is not None:
                    await self.k.memremap.put_page(prealloc)
                    prealloc = None
                address += 1
            await src_ptl.release()
            await dst_ptl.release()
            if again:
                prealloc = await self.k.page_alloc.alloc_page_vma()
                if prealloc is None:
                    return -ENOMEM
        return 0

    async def copy_present_pte(
        self, new: Vma, vma: Vma, address: int, prealloc: Page | None
    ) -> tuple[bool, Page | None]:
        """Copy one entry: (whether a page has to be allocated first, the allocated page if it is still unused).

        An anonymous page is shared read-only by both from now on, unless a device may have it pinned: then the child
        gets a copy at once, so that a later write of the parent does not take the pinned page away from it. The
        number of references of a device page stays as it is.
        """
        slot = vma.mm.slots[address]
        pte = await slot.read()
        if pte is None:
            return False, prealloc
        if self.k.is_ram(pte):
            page = self.k.pages[pte.pfn]
            await page.refcount.add(1)
            if not await self.page_try_dup_anon_rmap(page, vma):
                await self.k.memremap.put_page(page)
                if prealloc is None:
                    return True, None
                await self.copy_present_page(new, address, page, prealloc)
                return False, None
        if not vma.flags & VmFlag.SHARED and pte.write:
            pte = pte._replace(write=False)
            await slot.write(pte)
        if vma.flags & VmFlag.SHARED:
            pte = pte._replace(dirty=False)
        await new.mm.slots[address].write(pte)
        return False, prealloc

    async def page_try_dup_anon_rmap(self, page: Page, vma: Vma) -> bool:
        """One more mapping of an anonymous page, which is nobody's own any more; False if it may be pinned."""
        if await page.anon_exclusive.read():
            if await self.page_needs_cow_for_dma(page, vma):
                return False
            await page.anon_exclusive.write(False)
        await page.mapcount.add(1)
        return True

    async def page_needs_cow_for_dma(self, page: Page, vma: Vma) -> bool:
        """Whether a device may have the page from this mm."""
        if not await vma.mm.has_pinned.read():
            return False
        return self.k.gup.page_maybe_dma_pinned(await page.refcount.read())

    async def copy_present_page(self, new: Vma, address: int, page: Page, copy: Page) -> None:
        """Give the child a copy of a page of its own; the parent keeps what it has."""
        await self.k.blocks[copy.pfn].write(await self.k.blocks[page.pfn].read())
        await self.k.cow.page_add_new_anon_rmap(copy)
        await new.mm.slots[address].write(Pte(copy.pfn, write=True, dirty=True))
