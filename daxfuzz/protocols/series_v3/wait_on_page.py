"""Patches 01 to 03 of the series' third version, on top of v6.0: what is waited for."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch


class WaitOnPage(Patch):
    """fsdax: Wait on @page, use dax_page_idle(), include unmapped inodes (01/25 to 03/25).

    A wait is keyed by the page. A file that nobody maps is searched for busy pages, too.
    """

    class dax(Dax):
        def idle_address(self, page: Page) -> int:
            return page.address

        def searches_unmapped_files(self) -> bool:
            return True
