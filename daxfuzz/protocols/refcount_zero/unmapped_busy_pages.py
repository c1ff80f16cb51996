"""fs/dax: Return unmapped busy pages from dax_layout_busy_page_range() (cee91fa13a8e, v6.15)."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.protocols.patch import Patch


class ReturnUnmappedBusyPages(Patch):
    """fs/dax: Return unmapped busy pages from dax_layout_busy_page_range() (cee91fa13a8e, v6.15).

    A file that nobody maps any more may still have referenced pages (F-07).
    """

    class dax(Dax):
        def searches_unmapped_files(self) -> bool:
            return True
