"""Patch 06 of the series, on top of v6.0: flags beside the entry."""

from __future__ import annotations

from daxfuzz.protocols.patch import Patch


class ReworkDaxInsertEntryCallingConvention(Patch):
    """fsdax: Rework dax_insert_entry() calling convention (06/13).

    No hunk: in the model dax_iter_flags says from the start whether the entry becomes dirty and whether the fault
    copies. The patch lets the callers ask it. What an entry stores has no room for these flags (DAX_MASK).
    """
