"""Patch 07 of the series' third version, on top of v6.0: the device cannot die during an insertion."""

from __future__ import annotations

from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Patch


class HoldDaxLockOverMappingInsertion(Patch):
    """fsdax: Hold dax lock over mapping insertion (07/25).

    From direct_access until the entry is inserted; the page-table entry is set after that. Faults on holes do
    without.

    Known deviation: direct_access keeps its own section, inside this one.
    """

    class dax_fault(DaxFault):
        async def dax_insert_block(
            self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap, block: int
        ) -> tuple[int, VmFault | None, Entry]:
            await self.k.dax_srcu.read_lock()
            result = await super().dax_insert_block(vmf, xas, entry, iomap, block)
            await self.k.dax_srcu.read_unlock()
            return result
