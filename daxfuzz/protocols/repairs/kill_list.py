"""C-15: a failure of several file pages walks a list whose members it has freed."""

from __future__ import annotations

from daxfuzz.kernel.memory_failure import MemoryFailure, ToKill
from daxfuzz.protocols.patch import Repair


class FixKillList(Repair):
    """Take the members off the list before they are freed (kill_procs, v6.0).

    mf_dax_kill_procs uses one list for all file pages of a range. After the first page that somebody maps, kill_procs
    has freed the members without list_del, and the next page adds to what is gone. Later trees have the list_del.
    """

    flaw = "C-15"

    class memory_failure(MemoryFailure):
        def list_after_kill(self, killed: list[ToKill]) -> list[ToKill]:
            return []
