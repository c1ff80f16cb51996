"""A caller that drops one reference too many."""

from __future__ import annotations

from daxfuzz.kernel.memremap import Memremap
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch


class OverPut(Patch):
    """mm: Drop every FOLL_GET reference twice (a mutation)."""

    class memremap(Memremap):
        async def put_page(self, page: Page) -> None:
            await super().put_page(page)
            await super().put_page(page)
