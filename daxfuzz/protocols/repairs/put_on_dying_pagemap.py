"""C-09: an injected failure keeps its reference when the page map is dying."""

from __future__ import annotations

from daxfuzz.kernel.errno import ENXIO
from daxfuzz.kernel.memory_failure import MemoryFailure, Mf
from daxfuzz.protocols.patch import Repair


class FixPutOnDyingPagemap(Repair):
    """Drop the caller's reference whether or not the page map can be had (memory_failure, v6.0).

    madvise(MADV_HWPOISON) has grabbed the page; unbind: percpu_ref_kill; memory_failure gets no page map and returns
    -ENXIO with the reference. Upstream drops it right after get_dev_pagemap (put_ref_page, in v6.19).
    """

    flaw = "C-09"
    upstream = "put_ref_page"

    class memory_failure(MemoryFailure):
        async def memory_failure(self, pfn: int, flags: int) -> int:
            await self.k.mf_mutex.acquire()
            pgmap = await self.k.memremap.get_dev_pagemap(pfn, None)
            if flags & Mf.COUNT_INCREASED:
                await self.k.memremap.put_page(self.k.pages[pfn])
            error = -ENXIO
            if pgmap is not None:
                error = await self.memory_failure_dev_pagemap(pfn, flags & ~Mf.COUNT_INCREASED, pgmap)
            await self.k.mf_mutex.release()
            return error
