"""Copy on write in private mappings (mm/memory.c and mm/rmap.c, v6.0).

A private mapping of a DAX file maps the file's blocks read-only. The first write to a page replaces its entry by one
for a copy in memory, an anonymous page: in do_cow_fault, with the file system's help, if nothing is mapped yet, else
in wp_page_copy, without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.subsystem import Subsystem

if TYPE_CHECKING:
    from daxfuzz.kernel.memory import Fault
    from daxfuzz.kernel.mm import Vma
    from daxfuzz.kernel.page import Page


class Cow(Subsystem):
    """Faults that end in an anonymous page."""

    async def anon_vma_prepare(self, vma: Vma) -> None:
        """Note that the mapping has anonymous pages from now on: fork copies its page tables.

        Known deviation: the flag is the mm's, one for each file, and no anon_vma is behind it, since nothing here
        walks from an anonymous page to its mappings.
        """
        anon_vma = vma.mm.anon_vma[vma.mapping.host.number]
        if not await anon_vma.read():
            await anon_vma.write(True)

    # -- nothing is mapped ---------------------------------------------------------------------------------------

    async def do_cow_fault(self, vmf: Fault) -> VmFault:
        """A write fault on an empty entry: allocate the copy, and let the file system fill and map it."""
        await self.anon_vma_prepare(vmf.vma)
        page = await self.k.page_alloc.alloc_page_vma()
        if page is None:
            return VmFault.OOM
        vmf.cow_page = page
        result = await self.k.fs.dax_fault(vmf)
        if result is not VmFault.DONE_COW:
            await self.k.memremap.put_page(page)
        return result

    async def finish_fault(self, vmf: Fault) -> VmFault:
        """Map the filled copy, unless something is mapped by now: DONE_COW, NOPAGE, or OOM."""
        mm = vmf.vma.mm
        page = vmf.cow_page
        assert page is not None
        if not await self.k.memory.pte_alloc(mm, vmf.address):
            return VmFault.OOM
        slot = mm.slots[vmf.address]
        ptl = mm.ptl(vmf.address)
        await ptl.acquire()
        result = VmFault.NOPAGE
        if await slot.read() is None:
            await self.page_add_new_anon_rmap(page)
            await slot.write(Pte(page.pfn, write=True, dirty=True))
            result = VmFault.DONE_COW
        await ptl.release()
        return result

    async def page_add_new_anon_rmap(self, page: Page) -> None:
        """The first mapping of an anonymous page, which is its owner's alone."""
        await page.mapcount.add(1)
        await page.anon_exclusive.write(True)

    # -- a read-only entry ---------------------------------------------------------------------------------------

    async def do_wp_page(self, vmf: Fault, orig: Pte) -> VmFault:
        """A write to, or a read-only pin of, what is mapped read-only; the page-table lock is held, and dropped.

        An anonymous page that nobody else has is made writable again. A device page and the zero page have no
        "normal" page for the kernel: they are copied for a write, and nothing is done for a pin.
        Known deviation: the page lock is not taken, which keeps only swap out; and its quick looks at the count are
        one look.
        """
        mm = vmf.vma.mm
        ptl = mm.ptl(vmf.address)
        if not self.k.is_ram(orig):
            await ptl.release()
            return VmFault.NOPAGE if vmf.unshare else await self.wp_page_copy(vmf, orig, None)
        page = self.k.pages[orig.pfn]
        if not await page.anon_exclusive.read():
            if await page.refcount.read() != 1:
                await page.refcount.add(1)
                await ptl.release()
                return await self.wp_page_copy(vmf, orig, page)
            await page.anon_exclusive.write(True)
        if not vmf.unshare:
            await mm.slots[vmf.address].write(Pte(page.pfn, write=True, dirty=True))
        await ptl.release()
        return VmFault.NOPAGE

    async def wp_page_copy(self, vmf: Fault, orig: Pte, old: Page | None) -> VmFault:
        """Put a copy in the place of what is mapped. old: the anonymous page that is, with a reference to drop."""
        mm = vmf.vma.mm
        slot = mm.slots[vmf.address]
        ptl = mm.ptl(vmf.address)
        await self.anon_vma_prepare(vmf.vma)
        new = await self.k.page_alloc.alloc_page_vma()
        copied = new is not None and await self.copy_for_wp(new, old, vmf, orig)
        if new is None or not copied:
            for page in (new, old):
                if page is not None:
                    await self.k.memremap.put_page(page)
            return VmFault.OOM if new is None else VmFault.NOPAGE
        await ptl.acquire()
        drop: Page | None = new
        if await slot.read() == orig:
            # Clear and flush before the new entry is set: no two processors shall disagree about the page.
            await slot.write(None)
            await self.k.tlb.flush_tlb_mm_range(mm, [vmf.address])
            await self.page_add_new_anon_rmap(new)
            await slot.write(Pte(new.pfn, write=not vmf.unshare, dirty=not vmf.unshare))
            if old is not None:
                await old.mapcount.add(-1)
            drop = old
        if drop is not None:
            await self.k.memremap.put_page(drop)
        await ptl.release()
        if old is not None:
            await self.k.memremap.put_page(old)
        return VmFault.NOPAGE

    async def copy_for_wp(self, new: Page, old: Page | None, vmf: Fault, orig: Pte) -> bool:
        """Fill a copy of what an entry maps; False if the entry has changed and could not be copied."""
        target = self.k.blocks[new.pfn]
        if orig.zero:
            await target.zero()
            return True
        if old is not None:
            await target.write(await self.k.blocks[old.pfn].read())
            return True
        return await self._wp_page_copy_user(new, vmf, orig)

    async def _wp_page_copy_user(self, new: Page, vmf: Fault, orig: Pte) -> bool:
        """Copy a device page by reading the user's address, as the user would, with page faults off.

        Nothing holds the page: a zap may clear the entry meanwhile. Then it is tried once more under the page-table
        lock, if the entry is back.
        """
        mm = vmf.vma.mm
        target = self.k.blocks[new.pfn]
        value = await self._copy_from_user_inatomic(vmf)
        if value is None:
            ptl = mm.ptl(vmf.address)
            await ptl.acquire()
            if await mm.slots[vmf.address].read() != orig:
                await ptl.release()
                return False
            value = await self._copy_from_user_inatomic(vmf)
            if value is None:
                self.k.warn("__wp_page_copy_user: the source cannot be read", None)
                value = 0
            await target.write(value)
            await ptl.release()
            return True
        await target.write(value)
        return True

    async def _copy_from_user_inatomic(self, vmf: Fault) -> int | None:
        """Read memory as the processor does, through its translations; None where it would fault."""
        tlb = self.k.tlb_of(self.k.world.current)
        while True:
            pte = tlb.lookup(vmf.address)
            if pte is None:
                pte = await tlb.walk(vmf.vma.mm, vmf.address, write=False)
                if pte is None:
                    return None
            block = self.k.zero_page if pte.zero else self.k.blocks[pte.pfn]
            value = await block.load(tlb, vmf.address, pte)
            if value is not None:
                return value
