"""F-17: a PUD entry has as many wait keys as indices."""

from __future__ import annotations

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.protocols.patch import Repair
from daxfuzz.sim import WaitQueueHead


class FixPudWaitKey(Repair):
    """Wait for an entry under its first index, whatever its size.

    dax_entry_waitqueue rounds down for PMD entries only, also after the series has PUD entries. Two faults of one PUD
    at different offsets: the second queues itself under a key that the first one's unlock does not wake.
    """

    flaw = "F-17"

    class dax(Dax):
        def dax_entry_waitqueue(
            self, mapping: AddressSpace, index: int, entry: Entry
        ) -> tuple[WaitQueueHead, tuple[int, int]]:
            return super().dax_entry_waitqueue(mapping, index - index % entry.size(self.k.machine), entry)
