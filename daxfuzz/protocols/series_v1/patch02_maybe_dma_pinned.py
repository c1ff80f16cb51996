"""Patch 02 of the series, on top of v6.0: wait for pins."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.gup import Foll, Gup
from daxfuzz.kernel.memremap import MemoryType
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch
from daxfuzz.sim import wake_up_var


class UsePageMaybeDmaPinned(Patch):
    """fsdax: Use page_maybe_dma_pinned() for DAX vs DMA collisions (02/13).

    The scan, the wait and the warning look for pins instead of references; the wait is keyed by the page; only the
    release of a pin wakes, and does so after it has dropped its reference.
    """

    adds: ClassVar = {"gup": ("wakeup_fsdax_pin_waiters",)}

    class dax(Dax):
        def page_busy(self, refcount: int) -> bool:
            return self.k.gup.page_maybe_dma_pinned(refcount)

        async def page_idle(self, page: Page) -> bool:
            return not self.k.gup.page_maybe_dma_pinned(await page.refcount.read())

        def idle_address(self, page: Page) -> int:
            return page.address

    class gup(Gup):
        async def gup_put_folio(self, folio: Page, refs: int, flags: int) -> None:
            if flags & Foll.PIN:
                if folio.large:
                    await folio.pincount.add(-refs)
                else:
                    refs *= self.k.machine.bias
            await self.k.memremap.folio_put_refs(folio, refs)
            if flags & Foll.PIN:
                await self.wakeup_fsdax_pin_waiters(folio)

        async def wakeup_fsdax_pin_waiters(self, folio: Page) -> None:
            """Wake whoever waits for the page to be no longer pinned. The caller's reference is gone already."""
            pgmap = await folio.pgmap.read()
            if pgmap.type is not MemoryType.FS_DAX:
                return
            if self.page_maybe_dma_pinned(await folio.refcount.read()):
                return
            await wake_up_var(self.k.var_waitqueues, folio.address)
