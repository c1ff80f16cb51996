"""N-56: the association of a page is cleared after its count has been seen to be 0."""

from __future__ import annotations

from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.series_v3.request_folios import RequestFoliosInsertReferences
from daxfuzz.sim import wake_up_var


class FixFreedAssociation(Repair):
    """Leave page.mapping of DAX pages to disassociation.

    free_zone_device_page clears it for all device pages. Of a page that is idle but whose entry is still there
    nobody can then tell the file (memory_failure). And who drops the last reference may come late: a truncate that
    has seen 0 frees the block, the next fault associates its page, and the store wipes that out.
    """

    flaw = "N-56"

    class memremap(RequestFoliosInsertReferences.memremap):
        async def free_zone_device_page(self, page: Page) -> None:
            pgmap = await page.pgmap.read()
            await wake_up_var(self.k.var_waitqueues, page.address)
            await self.put_dev_pagemap(pgmap)
