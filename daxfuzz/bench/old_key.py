"""A partial conversion of patch 02 of the series: the waiter stays with the key that only v6.0 wakes."""

from __future__ import annotations

from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.series_v1.patch02_maybe_dma_pinned import UsePageMaybeDmaPinned


class OldKey(Patch):
    """fsdax: Wait for a pinned page under the address of its count (a mutation)."""

    class dax(UsePageMaybeDmaPinned.dax):
        def idle_address(self, page: Page) -> int:
            return page.refcount_address
