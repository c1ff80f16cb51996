"""F-28: the mark of a shared page outlives the last entry that has it."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair


class FixCowCount(Repair):
    """Look at the count of a shared page after it was lowered.

    v6.0 compares the count from before (dax_disassociate_entry, index-- > 0): after the last drop the page still
    says that it is shared, by nobody. A block used anew is then associated on top of the mark.
    """

    flaw = "F-28"
    upstream = "v6.2, fsdax: introduce page->share for fsdax in reflink mode"

    class dax(Dax):
        async def dax_cow_put(self, page: Page) -> bool:
            count = await page.index.read() - 1
            await page.index.write(count)
            return count > 0
