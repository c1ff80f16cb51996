"""N-53: the entry of a copy-on-write page holds no reference, but drops one when it is zapped."""

from __future__ import annotations

from typing import cast

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import DaxFlag
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.memory import VmFault
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.series_v3.request_folios import RequestFoliosInsertReferences


class FixCowReference(Repair):
    """Take the reference of an entry for the pages of a copy-on-write fault, too.

    dax_associate_entry of v3 only counts them as shared. The zap of truncate then takes the count from 0 to -1, which
    is not idle: truncate waits for ever, and eviction cannot be killed. One task: write to a shared block, truncate.
    """

    flaw = "N-53"

    class dax(Dax):
        async def associate_page(self, page: Page, mapping: AddressSpace, index: int, flags: int) -> VmFault | None:
            if flags & DaxFlag.COW:
                memremap = cast(RequestFoliosInsertReferences.memremap, self.k.memremap)
                if not await memremap.pgmap_request_folios(await page.pgmap.read(), page, 1):
                    return VmFault.SIGBUS
            return await super().associate_page(page, mapping, index, flags)
