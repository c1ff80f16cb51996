"""F-08b: a walk that has waited for a locked entry goes on behind it (fs/dax.c, v6.15)."""

from __future__ import annotations

from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.refcount_zero.locked_entries import DontSkipLockedEntries


class FixResetBeforeWaiting(Repair):
    """fs/dax: Fix "don't skip locked entries when scanning entries" (dd59137bfe70, v6.16).

    The walk starts afresh at the same index. As it was merged in v6.15, it went on behind the locked entry, whose
    pages nobody looked at, and which dax_delete_mapping_range left behind.
    """

    flaw = "F-08b"
    upstream = "dd59137bfe70"

    class dax(DontSkipLockedEntries.dax):
        def restart_walk(self, xas: XaState) -> None:
            xas.reset()
