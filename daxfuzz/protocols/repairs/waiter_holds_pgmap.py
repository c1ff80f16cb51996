"""F-16: who waits for a busy page looks at it after the device was removed."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.memremap import DevPagemap, Memremap
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.sim import wake_up_var


class FixWaiterHoldsPagemap(Repair):
    """Look at a page that one waits for under a reference of the page map; without one the wait is over.

    dax_layout_busy_page returns a bare pointer. Truncate sleeps on it; the last reference goes and wakes truncate as
    well as unbind; unbind runs first and frees the struct; truncate reads its count. Whoever finds the page map dying
    scans again, and the pages that the removed device's entries named are gone from there; unbind wakes for that as
    soon as the page map dies, since it may wait long for the map to drain.
    """

    flaw = "F-16"

    class dax(Dax):
        async def wait_is_over(self, page: Page) -> bool:
            pgmap = await self.k.memremap.get_dev_pagemap(page.pfn, None)
            if pgmap is None:
                return True
            idle = await super().wait_is_over(page)
            await self.k.memremap.put_dev_pagemap(pgmap)
            return idle

    class memremap(Memremap):
        async def put_born_references(self, pgmap: DevPagemap) -> None:
            for page in self.k.pages[: self.k.device_pages]:
                await wake_up_var(self.k.var_waitqueues, self.k.dax.idle_address(page))
            await super().put_born_references(pgmap)
