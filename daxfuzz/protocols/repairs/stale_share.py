"""F-27: the index of a page that no file has any more is taken for a share count."""

from __future__ import annotations

from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.refcount_zero.counted_pages import ProperlyRefcountFsDaxPages


class FixStaleShare(Repair):
    """Clear the index of a page with its last association.

    v6.15 to v6.19, dax_folio_put: of a page on its own it clears the mapping and leaves the index, which is one word
    with the share count. If the file page was not the first of its file, and the block is reflinked when it is
    faulted in next, the page looks shared: it gets one more share on top of the old index, no file is noted in it,
    and its count never falls to 0 again. Later trees clear it.
    """

    flaw = "F-27"

    class dax(ProperlyRefcountFsDaxPages.dax):
        async def dax_folio_put(self, folio: Page) -> None:
            last = not await self.dax_folio_is_shared(folio) or await folio.index.read() == 1
            await super().dax_folio_put(folio)
            if last:
                await folio.index.write(0)
