"""C-03: a device page that file pages share looks anonymous to read-only pins."""

from __future__ import annotations

from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair


class FixUnshareAnonOnly(Repair):
    """Ask only pages of memory whether they have to be unshared before a read-only pin.

    PAGE_MAPPING_DAX_COW is the bit that marks anonymous pages (v6.0 to v6.14), and a device page is never exclusive.
    So a FOLL_PIN without FOLL_WRITE of a reflinked block that is mapped read-only failed in follow_page_pte with
    -EMLINK, the fault to unshare it found no normal page and did nothing, and so on until a fatal signal. No upstream
    commit: the mark went away in v6.15.
    """

    flaw = "C-03"

    class gup(Gup):
        async def page_anon(self, page: Page) -> bool:
            return page.ram
