"""F-01: FOLL_GET references are not waited for."""

from __future__ import annotations

from daxfuzz.kernel.memremap import Memremap
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.repairs.wake_on_threshold import FixWakeOnThreshold
from daxfuzz.protocols.series_v1.patch02_maybe_dma_pinned import UsePageMaybeDmaPinned
from daxfuzz.sim import wake_up_var


class FixIdleOnRefcount(Repair):
    """Idle is a reference count of 1, and every release that reaches it wakes.

    What v2 of the series did: the scan, the wait and the warning look at the count again, keyed by the page.
    Threshold crossings mean nothing then, so the narrower repair of F-02 is not needed with it.
    """

    flaw = "F-01"
    upstream = "v2 of the series, 15 September 2022 (not merged)"
    supersedes = (FixWakeOnThreshold,)

    class dax(UsePageMaybeDmaPinned.dax):
        def page_busy(self, refcount: int) -> bool:
            return refcount > 1

        async def page_idle(self, page: Page) -> bool:
            return await page.refcount.read() == 1

    class memremap(Memremap):
        async def page_ref_sub_return(self, page: Page, refs: int) -> int:
            count = await super().page_ref_sub_return(page, refs)
            if count == 1:
                await wake_up_var(self.k.var_waitqueues, page.address)
            return count
