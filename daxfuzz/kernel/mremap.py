"""mremap (mm/mremap.c, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import EFAULT, EINTR
from daxfuzz.kernel.mm import TABLE, Pte, Vma
from daxfuzz.kernel.subsystem import Subsystem

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import Inode
    from daxfuzz.kernel.mm import Mm


class Mremap(Subsystem):
    """A mapping moves to another address, and its page tables with it.

    Known deviation: tables are moved entry by entry, as without CONFIG_HAVE_MOVE_PMD.
    """

    async def mremap(self, mm: Mm, inode: Inode, start: int) -> int:
        """mremap(MREMAP_FIXED) of the mapping of a file: 0, -EFAULT if there is none or it is at `start` already, or
        -EINTR when killed while it waits for mmap_lock."""
        if not await mm.mmap_lock.down_write(killable=True):
            return -EINTR
        error = -EFAULT
        vmas = await mm.vmas.read()
        for vma in vmas:
            if vma.mapping is inode.i_mapping and vma.start != start:
                await self.move_vma(vma, vmas, start)
                error = 0
        await mm.mmap_lock.up_write()
        return error

    async def move_vma(self, vma: Vma, vmas: tuple[Vma, ...], start: int) -> None:
        """A second VMA, the entries from the old one to it, and an ordinary unmap of the old one. vmas: of the mm."""
        new = await self.copy_vma(vma, vmas, start)
        await self.move_page_tables(vma, new)
        await vma.mm.vmas.write((*(other for other in vmas if other is not vma), new))
        await self.k.mmap.unmap_region(vma)

    async def copy_vma(self, vma: Vma, vmas: tuple[Vma, ...], start: int) -> Vma:
        """The new VMA comes after the old one in the file's tree, so that who walks the tree while entries move sees
        each of them at the old place or at the new one. That is why the tree is not locked meanwhile."""
        new = Vma(vma.mm, vma.mapping, start, vma.pages, vma.flags)
        await self.k.mmap.vma_link(new, vmas)
        return new

    async def move_page_tables(self, vma: Vma, new: Vma) -> None:
        """Move what is mapped, PUD by PUD or PMD by PMD; nothing but mmap_lock is held between two."""
        mm = vma.mm
        if mm.puds:
            for offset in range(0, vma.pages, mm.pud_pages):
                if await mm.pud(vma.start + offset).read() is not None:
                    await self.move_huge_pud(vma, vma.start + offset, new.start + offset)
            return
        for offset in range(0, vma.pages, mm.pmd_pages):
            old_pmd = await mm.pmd(vma.start + offset).read()
            if isinstance(old_pmd, Pte):
                if await self.move_huge_pmd(vma, vma.start + offset, new.start + offset):
                    continue
                await self.k.huge_memory.split_huge_pmd(mm, vma.start + offset)
                # pmd_trans_unstable
                old_pmd = await mm.pmd(vma.start + offset).read()
            if old_pmd is TABLE:
                pages = min(mm.pmd_pages, vma.pages - offset)
                await self.k.memory.pte_alloc(mm, new.start + offset, may_fail=False)
                await self.move_ptes(mm, vma.start + offset, new.start + offset, pages)

    async def move_ptes(self, mm: Mm, old: int, new: int, pages: int) -> None:
        """Move the entries of one table to another, both locked until the old translations are flushed."""
        old_ptl = mm.ptl(old)
        new_ptl = mm.ptl(new)
        moved: list[int] = []
        await old_ptl.acquire()
        await new_ptl.acquire(subclass=1)
        for offset in range(pages):
            if await mm.slots[old + offset].read() is None:
                continue
            pte = await mm.slots[old + offset].exchange(None)
            await mm.slots[new + offset].write(pte)
            moved.append(old + offset)
        if moved:
            await self.k.tlb.flush_tlb_mm_range(mm, moved)
        await new_ptl.release()
        await old_ptl.release()

    async def move_huge_pmd(self, vma: Vma, old: int, new: int) -> bool:
        """Move one PMD entry; one lock is that of both, since one page holds all PMD entries.

        vma: the old one. False if it is no leaf by now, or if something is at the new place already.
        """
        mm = vma.mm
        if await mm.pmd(new).read() is not None:
            self.k.warn("move_huge_pmd: something is mapped at the new place", None)
            return False
        await mm.pmd_lock.acquire()
        huge = isinstance(await mm.pmd(old).read(), Pte)
        if huge:
            pmd = await mm.pmd(old).exchange(None)
            await mm.pmd(new).write(pmd)
            await self.k.tlb.flush_tlb_mm_range(mm, list(mm.pmd_addresses(old)))
        await mm.pmd_lock.release()
        return huge

    async def move_huge_pud(self, vma: Vma, old: int, new: int) -> None:
        """Move one PUD entry, or what has become of it, under the lock of both. vma: the old one."""
        mm = vma.mm
        if await mm.pud(new).read() is not None:
            self.k.warn("move_huge_pud: something is mapped at the new place", None)
            return
        await mm.pud_lock.acquire()
        pud = await mm.pud(old).exchange(None)
        await mm.pud(new).write(pud)
        await self.k.tlb.flush_tlb_mm_range(mm, list(mm.pud_addresses(old)))
        await mm.pud_lock.release()
