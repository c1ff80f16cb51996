"""F-38: lockless GUP of a PMD entry looks at the count and adds to it in two steps."""

from __future__ import annotations

from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.series_v1.patch13_gup import DropDaxPgmapAccounting


class FixLocklessHugeGrab(Repair):
    """Grab each page of a PMD entry as those of page tables are: not from 0, in one step.

    __gup_device_huge uses try_grab_page, which needs a lock that keeps the count above 0. While idle pages have a
    count of 1 that is harmless. In v3 the zap can drop the last reference in between; the page is freed, revived by
    the addition, and freed again by the undo.
    """

    flaw = "F-38"

    class gup(DropDaxPgmapAccounting.gup):
        async def _gup_device_huge(self, pfn: int, nr: int, flags: int, pages: list[Page]) -> bool:
            for page in self.k.pages[pfn : pfn + nr]:
                if await self.try_grab_folio(page, 1, flags) is None:
                    return False
                pages.append(page)
            return True
