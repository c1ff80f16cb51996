"""N-43: the last put of a page looks at the page afterwards."""

from __future__ import annotations

from daxfuzz.kernel.memremap import DevPagemap
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.refcount_zero.counted_pages import ProperlyRefcountFsDaxPages


class FixFreeUnderRcu(Repair):
    """Drop references and free the folio in one RCU section, and wait for such sections before page structs go.

    v6.15 to v6.19, free_zone_device_folio: the count is 0 already when it reads the folio's page map. Truncate finds
    the page idle, the device is unbound, and the struct is gone. The same shape as F-04. Nothing upstream.
    """

    flaw = "N-43"

    class memremap(ProperlyRefcountFsDaxPages.memremap):
        async def folio_put_refs(self, folio: Page, refs: int) -> int:
            await self.k.rcu.read_lock()
            count = await super().folio_put_refs(folio, refs)
            await self.k.rcu.read_unlock()
            return count

        async def pageunmap_range(self, pgmap: DevPagemap) -> None:
            await self.k.rcu.synchronize()
            await super().pageunmap_range(pgmap)
