"""A mutation of GUP-fast, for measurements of what the oracles can tell."""

from __future__ import annotations

from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.mm import Mm, Pte
from daxfuzz.protocols.patch import Patch


class NoRecheck(Patch):
    """mm/gup: Trust the page-table entry that was read before the grab (a mutation)."""

    class gup(Gup):
        async def pte_unchanged(self, mm: Mm, address: int, pte: Pte) -> bool:
            return True
