"""N-51: the slow path pins the first page of a PMD entry in place of the one at the address."""

from __future__ import annotations

from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.series_v1.patch13_gup import DropDaxPgmapAccounting


class FixGrabFollowedPage(Repair):
    """Find the page at the address first, and grab that one.

    follow_trans_huge_pmd of patch 13 grabs pmd_page and adds the offset afterwards, which is right for a compound
    page, whose count is the head's. The pages of a file system's PMD entry have each their own: the first one keeps a
    reference for ever, the one that the caller gets loses one it never had. v6.0's follow_devmap_pmd did it right.
    One task: map a PMD entry, pin its second page by the slow path, unpin.
    """

    flaw = "N-51"

    class huge_memory(DropDaxPgmapAccounting.huge_memory):
        def page_to_grab(self, pmd: Pte, offset: int) -> Page:
            return self.k.pages[pmd.pfn + offset]
