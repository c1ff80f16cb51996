"""N-08: a fault that fails gives its copy's block back, and leaves the entry for it."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import EMPTY, EMPTY_PMD, Entry
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.xarray import Mark, XaState
from daxfuzz.protocols.patch import Repair


class FixFailedCowEntry(Repair):
    """Take the entry for a copy away again when the fault that has inserted it fails.

    dax_fault_iter (v6.0 to v6.19) inserts the entry for the new block of a write to a shared extent before it copies
    the data and maps it. The copy can fail on poisoned memory or without the device, and the mapping without memory
    for a page table, which a task that is to die does not get. xfs_dax_write_iomap_end then frees the new block, as
    nothing was written; the entry for it stays, dirty and associated. fsync flushes a block that may be another file's
    by then, and the next reader's fault keeps the entry, or the layout break of this file waits for that page. The
    entry becomes empty before its lock is dropped. Nothing upstream.
    """

    flaw = "N-08"
    adds: ClassVar = {"dax_fault": ("forget_copy",)}

    class dax_fault(DaxFault):
        async def dax_fault_iter(self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap) -> tuple[VmFault, Entry]:
            result, after = await super().dax_fault_iter(vmf, xas, entry, iomap)
            failed = result in (VmFault.SIGBUS, VmFault.OOM, VmFault.FALLBACK)
            if failed and after.real and after != entry and iomap.source is not None:
                after = await self.forget_copy(vmf, xas, after)
            return result, after

        async def forget_copy(self, vmf: Fault, xas: XaState, entry: Entry) -> Entry:
            """Put an empty entry, locked as well, in the place of an unmapped copy's (fs/dax.c, v6.0)."""
            mapping = vmf.vma.mapping
            empty = EMPTY_PMD if entry.huge else EMPTY
            xas.reset()
            await mapping.i_pages.lock.acquire()
            await self.k.dax.dax_disassociate_entry(entry, mapping, trunc=False)
            await xas.store(empty.lock())
            for mark in (Mark.DIRTY, Mark.TOWRITE):
                await mapping.i_pages.clear_mark(xas.index, mark)
            await mapping.i_pages.lock.release()
            return empty
