"""Patch 04 of the series, on top of v6.0: a way for errors."""

from __future__ import annotations

from daxfuzz.protocols.patch import Patch


class UpdateDaxInsertEntryCallingConvention(Patch):
    """fsdax: Update dax_insert_entry() calling convention to return an error (04/13).

    No hunk: in the model dax_insert_entry can return an error from the start, and its callers heed it. Nothing makes
    it fail before patch 07, and what that patch reports does not get as far as here (F-20).
    """
