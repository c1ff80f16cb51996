"""Translations of processors that outlive the page-table entry they came from."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.mm import Mm
from daxfuzz.kernel.mremap import Mremap
from daxfuzz.protocols.patch import Bug


class MremapTlbVsTruncate(Bug):
    """mremap moves entries and drops their locks before it flushes.

    Truncate clears the moved entry, flushes the new address, and frees the block. A processor that still has the
    translation of the old address goes on to write to it.
    """

    number = "C31"
    fix = "eb66ae030829"
    release = "v4.19"
    category = "stale mapping"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("stale-tlb",)

    class mremap(Mremap):
        async def move_ptes(self, mm: Mm, old: int, new: int, pages: int) -> None:
            old_ptl = mm.ptl(old)
            new_ptl = mm.ptl(new)
            moved: list[int] = []
            await old_ptl.acquire()
            await new_ptl.acquire(subclass=1)
            for offset in range(pages):
                pte = await mm.slots[old + offset].exchange(None)
                if pte is not None:
                    await mm.slots[new + offset].write(pte)
                    moved.append(old + offset)
            await new_ptl.release()
            await old_ptl.release()
            if moved:
                await self.k.tlb.flush_tlb_mm_range(mm, moved)
