"""A caller that unlocks an entry which it has unlocked already."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Patch


class DoubleUnlock(Patch):
    """dax: Unlock every entry twice (a mutation)."""

    class dax(Dax):
        async def dax_unlock_entry(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
            await super().dax_unlock_entry(mapping, xas, entry)
            await super().dax_unlock_entry(mapping, xas, entry)
