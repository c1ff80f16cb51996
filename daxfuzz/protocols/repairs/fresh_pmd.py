"""N-52: the slow path decides under the lock by what it saw without."""

from __future__ import annotations

from daxfuzz.kernel.mm import Pmd, Pte
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.series_v1.patch13_gup import DropDaxPgmapAccounting


class FixFreshPmd(Repair):
    """Test the entry that was read under the PMD lock.

    follow_pmd_mask of patch 13 asks pmd_devmap of the value from before the lock. If the entry was zapped and a page
    table installed in between, the table is followed as if it were a huge page: the caller gets a wild page.
    """

    flaw = "N-52"

    class gup(DropDaxPgmapAccounting.gup):
        def followed_as_huge(self, seen: Pte, pmd: Pmd) -> bool:
            return isinstance(pmd, Pte)
