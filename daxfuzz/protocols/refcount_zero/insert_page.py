"""mm/memory: Add vmf_insert_page_mkwrite() (v6.15)."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.memory import Fault, Memory, VmFault
from daxfuzz.kernel.mm import Pte
from daxfuzz.protocols.patch import Patch


class AddVmfInsertPageMkwrite(Patch):
    """mm/memory: Add vmf_insert_page_mkwrite() (v6.15).

    An ordinary page-table entry, with a reference and a map count, for a page of a device.
    """

    adds: ClassVar = {"memory": ("vmf_insert_page_mkwrite", "insert_page_into_pte_locked")}

    class memory(Memory):
        async def vmf_insert_page_mkwrite(self, vmf: Fault, new: Pte) -> VmFault:
            """Map a page that is in use (mm/memory.c, v6.19): SIGBUS if it is free, or if another one is there.

            new: dirty for a write, to which an entry that is there gives way.

            Known deviation: making an entry writable sets its dirty bit, too, which in the kernel the processor does
            with the access that follows.
            """
            mm = vmf.vma.mm
            page = self.k.pages[new.pfn]
            folio = await page.head.read()
            if not await folio.refcount.read():
                return VmFault.SIGBUS
            if not await self.pte_alloc(mm, vmf.address):
                return VmFault.OOM
            ptl = mm.ptl(vmf.address)
            await ptl.acquire()
            result = await self.insert_page_into_pte_locked(vmf, new)
            await ptl.release()
            return result

        async def insert_page_into_pte_locked(self, vmf: Fault, new: Pte) -> VmFault:
            """The part under the page-table lock (mm/memory.c, v6.19)."""
            slot = vmf.vma.mm.slots[vmf.address]
            folio = await self.k.pages[new.pfn].head.read()
            old = await slot.read()
            if old is None:
                await folio.refcount.add(1)
                await folio.mapcount.add(1)
                await slot.write(new)
                return VmFault.NOPAGE
            if not new.dirty:
                return VmFault.NOPAGE
            if old.zero or old.pfn != new.pfn:
                if not old.zero:
                    self.k.warn("insert_page_into_pte_locked: another page is mapped here", None)
                return VmFault.SIGBUS
            await slot.write(new)
            return VmFault.NOPAGE
