"""N-44: a memory failure does not lock the entry of a character device (fs/dax.c, on top of v6.0)."""

from __future__ import annotations

from daxfuzz.kernel.dax_lock import DaxLock
from daxfuzz.protocols.patch import Repair


class FixLockCharEntry(Repair):
    """Lock the entry of a character device like that of a file, now that there is one (dax_lock_page).

    dax_lock_page does nothing for a character device, whose pages keep their mapping for good in v6.0. Since devdax
    has entries (patch 12 of the series of 2022), removal clears page.mapping: memory_failure has looked at the page;
    unbind: truncate_inode_pages; dax_unlock_page reads page.mapping again and dereferences NULL. The reference of
    the page map that memory_failure has comes too late in the removal to help.
    """

    flaw = "N-44"

    class dax_lock(DaxLock):
        def never_locked(self) -> bool:
            return False
