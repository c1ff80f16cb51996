"""F-25: copy on write takes a file off a block that somebody has pinned."""

from __future__ import annotations

from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.gup import Foll, Gup
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Repair
from daxfuzz.sim import TaskState, wait_var_event


class FixCowBusy(Repair):
    """Before a write fault replaces a shared block, wait until nobody uses the old one.

    A read pin of a shared block belongs to the file that it came through. That file's write fault replaces its entry
    and drops its share of the block, and no layout break of the other files finds a page that only they have now,
    without entries: the last of them frees it under the pin. The repair unmaps the page, and if it is busy gives the
    new block back, and waits without MMAPLOCK; the access is then tried again. No upstream commit.

    Who waits must hold no pages itself: get_user_pages faults for pages but the first one without waiting, and returns
    what it has. A PMD that maps shared and other blocks may be busy with its own first page.
    """

    flaw = "F-25"

    class dax_fault(DaxFault):
        async def dax_fault_iter(self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap) -> tuple[VmFault, Entry]:
            if vmf.write and entry.real and iomap.source is not None and iomap.source != iomap.pfn:
                size = entry.size(self.k.machine)
                await self.k.memory.unmap_mapping_pages(vmf.vma.mapping, vmf.index - vmf.index % size, size)
                for page in await self.k.dax.mapped_folios(entry):
                    if not await self.k.dax.page_idle(page):
                        vmf.busy = page
                        break
                if vmf.busy is not None:
                    return VmFault.FALLBACK if vmf.pages > 1 else VmFault.SIGBUS, entry
            return await super().dax_fault_iter(vmf, xas, entry, iomap)

    class gup(Gup):
        def fault_flags(self, flags: int, held: int) -> int:
            return super().fault_flags(flags, held) | (Foll.NOWAIT if held else 0)

    class xfs(Xfs):
        async def xfs_dax_fault(self, vmf: Fault) -> VmFault:
            result = await super().xfs_dax_fault(vmf)
            if vmf.busy is None or vmf.pages > 1:
                # The fault on a page waits.
                return result
            if vmf.nowait:
                return VmFault.RETRY
            lock = vmf.vma.mapping.invalidate_lock
            page = vmf.busy
            address = self.k.dax.idle_address(page)

            exclusive = lock.held_for_write()

            async def drop_locks() -> None:
                await (lock.up_write if exclusive else lock.up_read)()
                await self.k.var_waitqueues.bucket(address).schedule()
                if exclusive:
                    await lock.down_write()
                else:
                    await lock.down_read()

            # A fault is tried again after any signal but a fatal one, so others must not end the wait.
            await wait_var_event(
                self.k.var_waitqueues, address, lambda: self.k.dax.wait_is_over(page), TaskState.KILLABLE, drop_locks
            )
            return VmFault.NOPAGE
