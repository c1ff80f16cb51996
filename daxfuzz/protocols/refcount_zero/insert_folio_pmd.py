"""mm/huge_memory: Add vmf_insert_folio_pmd() (v6.15)."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.huge_memory import HugeMemory
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.mm import Pte
from daxfuzz.protocols.patch import Patch


class AddVmfInsertFolioPmd(Patch):
    """mm/huge_memory: Add vmf_insert_folio_pmd() (v6.15).

    An ordinary PMD entry, with one reference and one map count, for a folio of a device.
    """

    adds: ClassVar = {"huge_memory": ("vmf_insert_folio_pmd",)}

    class huge_memory(HugeMemory):
        async def vmf_insert_folio_pmd(self, vmf: Fault, new: Pte) -> VmFault:
            """Map a folio whose size is a PMD's (mm/huge_memory.c, v6.19); whatever is there already, stays."""
            folio = await self.k.pages[new.pfn].head.read()
            if await folio.order.read() != self.k.machine.pmd_pages:
                self.k.warn("vmf_insert_folio_pmd: the folio has another size", folio)
                return VmFault.SIGBUS
            mm = vmf.vma.mm
            pmd = mm.pmd(vmf.address)
            await mm.pmd_lock.acquire()
            old = await pmd.read()
            if old is None:
                await folio.refcount.add(1)
                await folio.mapcount.add(1)
                await pmd.write(new)
            elif new.dirty:
                if isinstance(old, Pte) and old.pfn == new.pfn and not old.zero:
                    await pmd.write(new)
                elif not isinstance(old, Pte) or not old.zero:
                    self.k.warn("insert_pmd: something else is mapped here", None)
            await mm.pmd_lock.release()
            return VmFault.NOPAGE
