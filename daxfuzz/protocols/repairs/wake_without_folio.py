"""F-04: the wake-up after the last unpin touches a folio that may be gone."""

from __future__ import annotations

from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.memremap import MemoryType
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.series_v1.patch02_maybe_dma_pinned import UsePageMaybeDmaPinned
from daxfuzz.sim import wake_up_var


class FixWakeWithoutFolio(Repair):
    """Look at the folio before its reference goes; afterwards use only its address and the count that the put left.

    gup_put_folio drops the reference, then wakeup_fsdax_pin_waiters reads folio.pgmap and the count (series of
    September 2022). In between, an unbind that waited for this very reference frees the struct. v6.0 does it right in
    put_devmap_managed_page_refs.
    """

    flaw = "F-04"

    class gup(UsePageMaybeDmaPinned.gup):
        async def gup_put_folio(self, folio: Page, refs: int, flags: int) -> None:
            fsdax = False
            if flags & Foll.PIN:
                fsdax = (await folio.pgmap.read()).type is MemoryType.FS_DAX
                if folio.large:
                    await folio.pincount.add(-refs)
                else:
                    refs *= self.k.machine.bias
            count = await self.k.memremap.folio_put_refs(folio, refs)
            if fsdax and not self.page_maybe_dma_pinned(count):
                await wake_up_var(self.k.var_waitqueues, folio.address)
