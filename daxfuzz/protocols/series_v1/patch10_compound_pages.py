"""Patch 10 of the series, on top of v6.0: association of compound pages."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch


class PrepForCompoundPages(Patch):
    """dax: Prep dax_{associate,disassociate}_entry() for compound pages (10/13).

    They work on the head page, and stop after it where it heads a compound page. References of the page map and the
    search for busy pages go by the page as before.

    Known deviation: the kernel looks for each head right before it works on it. Heads of device pages do not change.
    """

    class dax(Dax):
        async def mapped_folios(self, entry: Entry) -> list[Page]:
            heads = []
            for pfn in entry.pfns(self.k.machine):
                head = await self.k.pages[pfn].head.read()
                heads.append(head)
                if head.large:
                    break
            return heads
