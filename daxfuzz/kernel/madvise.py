"""madvise (mm/madvise.c, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.errno import ENOMEM
from daxfuzz.kernel.subsystem import Subsystem

if TYPE_CHECKING:
    from daxfuzz.kernel.mm import Mm


class Madvise(Subsystem):
    """Advice on parts of a mapping."""

    async def madvise_dontneed(self, mm: Mm, address: int, pages: int) -> int:
        """MADV_DONTNEED: forget what is mapped, private copies included: 0, or -ENOMEM if nothing is mapped there.

        No file system, no lock of the file: only page-table entries go.
        """
        await mm.mmap_lock.down_read()
        error = -ENOMEM
        vma = await self.k.memory.find_vma(mm, address)
        if vma is not None:
            error = 0
            tlb = await self.k.tlb.tlb_gather_mmu(mm)
            await self.k.memory.unmap_page_range(tlb, range(address, min(address + pages, vma.end)))
            await self.k.tlb.tlb_finish_mmu(tlb)
        await mm.mmap_lock.up_read()
        return error
