"""F-13: the removal of a device does not wait for references of its pages (mm/memremap.c, v6.0)."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.memremap import DevPagemap, Memremap
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.sim import TaskState, wait_var_event, wake_up_var


class FixUnbindWaits(Repair):
    """Wait until every page is idle before the page structs go (memunmap_pages, v6.0 and later).

    pin_user_pages returns; unbind: percpu_ref_kill, arch_remove_memory; unpin_user_pages then touches the struct, or
    the device writes to memory that is no longer there. The page map's reference of a GUP call ends with the call.
    After the drain nobody can take a further reference, so one look at each page is enough. As in the memremap of
    October 2022 (patches 15 to 18 of the series' third version), where each page in use holds a reference of the
    page map; not merged.
    """

    flaw = "F-13"
    adds: ClassVar = {"memremap": ("wait_page_unused",)}

    class memremap(Memremap):
        async def pageunmap_range(self, pgmap: DevPagemap) -> None:
            for page in self.k.pages[: self.k.device_pages]:
                await self.wait_page_unused(page)
            await super().pageunmap_range(pgmap)

        async def wait_page_unused(self, page: Page) -> None:
            """Sleep uninterruptibly until nobody has a reference of a page."""

            async def unused() -> bool:
                return await page.refcount.read() <= self.k.dax.idle_refcount()

            await wait_var_event(self.k.var_waitqueues, page.refcount_address, unused, TaskState.UNINTERRUPTIBLE)

        async def folio_put_refs(self, folio: Page, refs: int) -> int:
            count = await super().folio_put_refs(folio, refs)
            if count == self.k.dax.idle_refcount():
                await wake_up_var(self.k.var_waitqueues, folio.refcount_address)
            return count
