"""References that are dropped without a wake for who waits until the page is idle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from daxfuzz.kernel.gup import Foll, Gup
from daxfuzz.kernel.memremap import Memremap
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Bug


class GupPutSkipsFsdaxWake(Bug):
    """The end of a pin wakes nobody.

    gup_put_folio, which d8ddc099c6b3 (v5.18) added, drops references as those of any folio, and acts only on the last
    one. Truncate sleeps until the count is 1, and unpin_user_page takes it there in silence.
    """

    number = "2"
    fix = "f4f451a16dd1"
    release = "v5.19"
    category = "lost wakeup"
    protocols: ClassVar = ("refcount-1-fixed",)
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("lost-wakeup",)

    class gup(Gup):
        async def gup_put_folio(self, folio: Page, refs: int, flags: int) -> None:
            if flags & Foll.PIN:
                refs *= self.k.machine.bias
            if not await self.k.memremap.page_ref_sub_return(folio, refs):
                await self.k.memremap._folio_put(folio)


class BatchedReleaseSkipsIdleWake(Bug):
    """The release of a batch of pages wakes nobody.

    release_pages knows only pages of private devices. Those of files take the way of ordinary memory, which acts on the
    last reference, while truncate sleeps until the count is 1.
    """

    number = "28"
    fix = "c5d6c45e90c4"
    release = "v5.3"
    category = "lost wakeup"
    protocols: ClassVar = ("refcount-1-fixed",)
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("lost-wakeup",)

    class memremap(Memremap):
        async def release_pages(self, pages: Sequence[Page]) -> None:
            for page in pages:
                folio = await page.head.read()
                if not await self.page_ref_sub_return(folio, 1):
                    await self._folio_put(folio)
