"""F-30: what the scan takes for idle is not what is waited for."""

from __future__ import annotations

from daxfuzz.kernel.memremap import MemoryType
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.refcount_zero.counted_pages import ProperlyRefcountFsDaxPages
from daxfuzz.sim import wake_up_var


class FixIdleWhileMapped(Repair):
    """Wait until nothing but page tables refers to the page, and wake at every release that may bring that about.

    v6.19: dax_busy_page compares the reference count with the map count, wait_page_idle waits for a reference count
    of 0. It sleeps without the lock that keeps faults out, so the page may be mapped again, even with no reflink:
    truncate sleeps on a pinned page; a task touches the page, whose entry now holds a reference; the pin is dropped,
    and the count falls to 1. Nobody wakes the truncate until the page is unmapped. With reflink the mapping of
    another file does the same. The type of the page is read before the release, since afterwards it may be gone.
    """

    flaw = "F-30"

    class dax(ProperlyRefcountFsDaxPages.dax):
        async def page_idle(self, page: Page) -> bool:
            references = await page.refcount.read()
            return references == await page.mapcount.read()

    class memremap(ProperlyRefcountFsDaxPages.memremap):
        async def folio_put_refs(self, folio: Page, refs: int) -> int:
            pgmap = await folio.pgmap.read()
            count = await super().folio_put_refs(folio, refs)
            if count and pgmap.type is MemoryType.FS_DAX:
                await wake_up_var(self.k.var_waitqueues, folio.address)
            return count
