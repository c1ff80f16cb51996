"""N-110: a PMD entry that mremap moves is at no place for a moment, and nobody waits for it (mm/mremap.c, v6.0)."""

from __future__ import annotations

from daxfuzz.kernel.mm import Vma
from daxfuzz.kernel.mremap import Mremap
from daxfuzz.protocols.patch import Repair


class FixMoveHoldsRmap(Repair):
    """Hold i_mmap_rwsem exclusively while a PMD or PUD entry moves.

    v6.0 to v6.19, move_pgt_entry: mremap clears the old entry (move_huge_pmd) and is about to set the new one, under
    the PMD lock. truncate comes along, or reclaim of fuse: zap_pmd_range looks at both entries without the lock, first
    the old one, then the new one, finds nothing in either, and goes on. Then mremap sets the new entry. It maps the
    blocks that truncation frees meanwhile.

    The kernel relies on the order of the two VMAs in the file's tree, which is enough for entries of pages: they are
    looked at under the lock of their table. When a whole table of them moves, it takes this very lock (97113eb39fa7).
    fsync is not concerned: it takes and drops the PMD lock where it sees no entry (PVMW_SYNC).
    """

    flaw = "N-110"

    class mremap(Mremap):
        async def move_huge_pmd(self, vma: Vma, old: int, new: int) -> bool:
            rmap = vma.mapping.i_mmap_rwsem
            await rmap.down_write()
            moved = await super().move_huge_pmd(vma, old, new)
            await rmap.up_write()
            return moved

        async def move_huge_pud(self, vma: Vma, old: int, new: int) -> None:
            rmap = vma.mapping.i_mmap_rwsem
            await rmap.down_write()
            await super().move_huge_pud(vma, old, new)
            await rmap.up_write()
