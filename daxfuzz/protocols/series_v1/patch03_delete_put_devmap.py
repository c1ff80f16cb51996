"""Patch 03 of the series, on top of v6.0: no wake-up from plain references."""

from __future__ import annotations

from daxfuzz.kernel.memremap import Memremap
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch


class DeletePutDevmapManagedPageRefs(Patch):
    """fsdax: Delete put_devmap_managed_page_refs() (03/13).

    put_page and the retry of try_get_folio no longer know file-system DAX pages: dropping a FOLL_GET reference
    wakes nobody.
    """

    class memremap(Memremap):
        async def put_devmap_managed_page_refs(self, page: Page, refs: int) -> bool:
            return False
