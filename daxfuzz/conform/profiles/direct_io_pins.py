"""v6.5: direct reads pin the pages of their buffer."""

from __future__ import annotations

from daxfuzz.kernel.direct_io import DirectIo
from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.mm import Mm
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch


class DirectIoPins(Patch):
    """block, iomap: Direct I/O takes FOLL_PIN for the pages of its buffer (v6.5).

    Sequence pin-direct-truncate: while the device reads, the page's count is higher by 1024, not by 1.
    """

    class direct_io(DirectIo):
        async def bio_iov_iter_get_pages(self, mm: Mm, addresses: range) -> list[Page] | int:
            return await self.k.gup.internal_get_user_pages_fast(mm, addresses, Foll.PIN | Foll.WRITE)

        async def _bio_release_pages(self, page: Page) -> None:
            await self.k.gup.unpin_user_pages([page])
