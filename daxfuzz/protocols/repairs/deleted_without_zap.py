"""N-55: an entry that goes without having been zapped leaves its references behind."""

from __future__ import annotations

from typing import cast

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.series_v3.request_folios import RequestFoliosInsertReferences


class FixDeletedWithoutZap(Repair):
    """Drop the references of an entry when it is disassociated, unless the zap has done so.

    In v3 only the zap drops them. An entry that copy-on-write replaces, and one that the scan skips because it is
    locked (F-08), leave one reference on each page: whoever gets the block next waits for ever in truncate.
    """

    flaw = "N-55"

    class dax(Dax):
        async def dax_disassociate_entry(self, entry: Entry, mapping: AddressSpace, trunc: bool) -> None:
            await super().dax_disassociate_entry(entry, mapping, trunc)
            if not entry.zap:
                memremap = cast(RequestFoliosInsertReferences.memremap, self.k.memremap)
                for folio in await self.mapped_folios(entry):
                    await memremap.pgmap_release_folios(folio, 1)
