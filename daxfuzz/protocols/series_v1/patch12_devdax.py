"""Patch 12 of the series, on top of v6.0: devdax has entries."""

from __future__ import annotations

from daxfuzz.protocols.patch import Patch


class UseDaxInsertEntry(Patch):
    """devdax: Use dax_insert_entry() + dax_delete_mapping_entry() (12/13)."""
