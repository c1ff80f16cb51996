"""refcount-0 before dd59137bfe70 (v6.16)."""

from __future__ import annotations

from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.refcount_zero.locked_entries import DontSkipLockedEntries
from daxfuzz.protocols.repairs.reset_before_waiting import FixResetBeforeWaiting


class RevertWaitEntryAdvance(Patch):
    """Revert "fs/dax: Fix don't skip locked entries when scanning entries" (dd59137bfe70)."""

    class dax(FixResetBeforeWaiting.dax):
        restart_walk = DontSkipLockedEntries.dax.restart_walk
