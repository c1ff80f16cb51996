"""F-07: a file that nobody maps any more counts as idle."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.protocols.patch import Repair


class FixMappingMapped(Repair):
    """Look for busy pages also in a file that no VMA maps.

    A page can stay referenced after munmap. dax_layout_busy_page (up to v6.14) returned early when i_mmap was empty, so
    truncate freed the block under the reference. Upstream dropped the test in v6.15.
    """

    flaw = "F-07"
    upstream = "cee91fa13a8e"

    class dax(Dax):
        def searches_unmapped_files(self) -> bool:
            return True
