"""Debian's 6.1: what a direct read held is put without a wake-up."""

from __future__ import annotations

from daxfuzz.kernel.direct_io import DirectIo
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch


class BioReleaseMissesWaiters(Patch):
    """block: The release of a bio's pages wakes nobody who waits for them (observed in Debian's 6.1.192).

    Sequence pin-direct-truncate: when the device is done, the page's count is back at 1, and truncate sleeps on. The
    next reference that comes and goes through put_page wakes it (sequence woken-by-another). Suspected is
    __bio_release_pages, which seems to put folios where only put_page knows pages of devices; v6.0 uses put_page.
    """

    class direct_io(DirectIo):
        async def _bio_release_pages(self, page: Page) -> None:
            await self.k.memremap.folio_put_refs(page, 1)
