"""device/dax: Properly refcount device dax pages when mapping (aed877c2b425, v6.15), as it is in v6.19."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import ClassVar, cast

from daxfuzz.kernel.fs.device_dax import DeviceDax
from daxfuzz.kernel.huge_memory import HugeMemory
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.tlb import MmuGather
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.refcount_zero.insert_folio_pmd import AddVmfInsertFolioPmd
from daxfuzz.protocols.refcount_zero.insert_page import AddVmfInsertPageMkwrite


class ProperlyRefcountDevDaxPages(Patch):
    """device/dax: Properly refcount device dax pages when mapping (aed877c2b425, v6.15).

    Each page-table entry that maps a page of a character device holds a reference on it and counts in its map count,
    those of PMDs and PUDs on the compound page. Such pages are idle at 1, not at 0.
    """

    adds: ClassVar = {"huge_memory": ("vmf_insert_folio_pud",)}

    class device_dax(DeviceDax):
        def dev_dax_insert(self, vmf: Fault, pfn: int) -> Awaitable[VmFault]:
            leaf = Pte(pfn, write=True, dirty=vmf.write)
            if vmf.pages == 1:
                memory = cast("AddVmfInsertPageMkwrite.memory", self.k.memory)
                return memory.vmf_insert_page_mkwrite(vmf, leaf)
            if vmf.pages == self.k.machine.pmd_pages:
                pmds = cast("AddVmfInsertFolioPmd.huge_memory", self.k.huge_memory)
                return pmds.vmf_insert_folio_pmd(vmf, leaf)
            puds = cast("ProperlyRefcountDevDaxPages.huge_memory", self.k.huge_memory)
            return puds.vmf_insert_folio_pud(vmf, leaf)

    class huge_memory(HugeMemory):
        async def vmf_insert_folio_pud(self, vmf: Fault, new: Pte) -> VmFault:
            """Map a folio whose size is a PUD's (mm/huge_memory.c, v6.19); whatever is there already, stays."""
            folio = await self.k.pages[new.pfn].head.read()
            if await folio.order.read() != self.k.machine.pud_pages:
                self.k.warn("vmf_insert_folio_pud: the folio has another size", folio)
                return VmFault.SIGBUS
            mm = vmf.vma.mm
            pud = mm.pud(vmf.address)
            await mm.pud_lock.acquire()
            old = await pud.read()
            if old is None:
                await folio.refcount.add(1)
                await folio.mapcount.add(1)
                await pud.write(new)
            elif new.dirty:
                if old.pfn == new.pfn:
                    await pud.write(new)
                else:
                    self.k.warn("insert_pud: something else is mapped here", None)
            await mm.pud_lock.release()
            return VmFault.NOPAGE

        async def pud_zapped(self, tlb: MmuGather, old: Pte) -> None:
            """The reference is dropped after the flush."""
            page = self.k.pages[old.pfn]
            folio = await page.head.read()
            await folio.mapcount.add(-1)
            tlb.pages.append(page)

        async def pud_split(self, old: Pte) -> None:
            """The reference is dropped under the lock."""
            folio = await self.k.pages[old.pfn].head.read()
            if old.dirty:
                # folio_mark_dirty asks the file that the folio names.
                await folio.mapping.read()
            await folio.mapcount.add(-1)
            await self.k.memremap.folio_put_refs(folio, 1)
