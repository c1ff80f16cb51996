"""N-321: a page of a character device names the device before it names its place there (drivers/dax/device.c)."""

from __future__ import annotations

from daxfuzz.kernel.fs.device_dax import DeviceDax
from daxfuzz.kernel.memory import Fault
from daxfuzz.protocols.patch import Repair


class FixDevdaxIndexFirst(Repair):
    """Store the index of a page before its mapping, which says that both are there.

    dax_set_mapping stores the mapping first, in v6.0 and in v6.19. A second fault of the page comes in between, finds
    a mapping, and goes on; memory_failure of what that one has mapped then goes by an index that nobody has stored yet:
    it unmaps another page, or none, and kills who has that, or nobody. Nothing upstream.
    """

    flaw = "N-321"

    class device_dax(DeviceDax):
        async def dax_set_mapping(self, vmf: Fault, pfn: int) -> None:
            page = await self.k.pages[pfn].head.read()
            if await page.mapping.read() is None:
                await page.index.write(self.linear_index(vmf))
                await page.mapping.write(vmf.vma.mapping)
