"""Patch 09 of the series, on top of v6.0: code moves."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax import Dax
from daxfuzz.protocols.patch import Patch


class MoveAddressSpaceHelpersToTheDaxCore(Patch):
    """devdax: Move address_space helpers to the DAX core (09/13).

    On the way BUG_ON becomes WARN_ON in dax_unlock_entry, which then goes on.
    """

    renames: ClassVar = {
        "grab_mapping_entry": "dax_grab_mapping_entry",
        "insert_pfn_mkwrite": "dax_insert_pfn_mkwrite",
    }

    class dax(Dax):
        def unlock_entry_bug(self, message: str) -> None:
            self.k.warn(message, None)
