"""F-18: lockless GUP keeps pages of a PMD entry that has changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.series_v1.patch13_gup import DropDaxPgmapAccounting


class FixUndoHugeGrabs(Repair):
    """Give back what was grabbed of a PMD entry if not all could be, or if the entry has changed since.

    Patch 13 takes the undo away with the page-map references, and pages that were grabbed too late count as pinned:
    truncate has found them idle and frees their blocks.
    """

    flaw = "F-18"

    class gup(DropDaxPgmapAccounting.gup):
        async def gup_device_leaf(
            self, pfns: range, flags: int, pages: list[Page], unchanged: Callable[[], Awaitable[bool]]
        ) -> bool:
            before = len(pages)
            if await super().gup_device_leaf(pfns, flags, pages, unchanged):
                return True
            await self.undo_dev_pagemap(pages, before, flags)
            return False
