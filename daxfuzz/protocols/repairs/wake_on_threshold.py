"""F-02: the count falls below the pin threshold without a wake-up."""

from __future__ import annotations

from daxfuzz.kernel.memremap import Memremap
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.sim import wake_up_var


class FixWakeOnThreshold(Repair):
    """Wake from every release that takes the count across GUP_PIN_COUNTING_BIAS.

    Many plain references look like a pin. They are dropped by put_page, which wakes nobody, so a waiter that saw
    "pinned" slept on after the last of them. No upstream commit: v2 of the series waits for the count instead.
    """

    flaw = "F-02"

    class memremap(Memremap):
        async def page_ref_sub_return(self, page: Page, refs: int) -> int:
            count = await super().page_ref_sub_return(page, refs)
            if count < self.k.machine.bias <= count + refs:
                await wake_up_var(self.k.var_waitqueues, page.address)
            return count
