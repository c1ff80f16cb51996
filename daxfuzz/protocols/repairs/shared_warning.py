"""N-26: truncation warns of a page that is busy through another file."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.page import COW, Page
from daxfuzz.protocols.patch import Repair


class FixSharedWarning(Repair):
    """Warn that a page is busy only where the last entry that has it goes.

    Punch or truncate of one file finds a block idle, since its own faults are kept out; then somebody pins the block
    through another file that shares it, which nothing forbids; then the first file's entry goes, and
    dax_disassociate_entry (v6.0 and later) warns, though the block stays allocated. No upstream commit.
    """

    flaw = "N-26"

    class dax(Dax):
        async def busy_at_truncation(self, page: Page, refcount: int) -> bool:
            if await page.mapping.read() is COW and await page.index.read() > 1:
                return False
            return await super().busy_at_truncation(page, refcount)
