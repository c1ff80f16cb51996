"""N-10: a file's copy of a shared block is durable before its data is."""

from __future__ import annotations

from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.protocols.patch import Repair


class FixCowFlushes(Repair):
    """Write the copy of a shared block back before the file is remapped to it.

    A write fault on a shared extent (v6.0 to v6.19) copies the old block through the processor's caches, and leaves it
    to a later fsync to write the new one back. Until then the remap is in the log: any force of it, also by another
    file's fsync or by one that has written this file's data back just before the fault, makes it durable. After a
    crash the file has a block of which nothing was ever written, in place of data that was durable. Nothing upstream.
    """

    flaw = "N-10"

    class dax_fault(DaxFault):
        async def dax_iomap_cow_copy(self, source: int, pfn: int) -> bool:
            copied = await super().dax_iomap_cow_copy(source, pfn)
            if copied:
                await self.k.blocks[pfn].flush()
            return copied
