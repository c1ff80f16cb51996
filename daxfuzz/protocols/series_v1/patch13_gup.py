"""Patch 13 of the series, on top of v6.0: GUP without page maps (mm/gup.c, mm/huge_memory.c)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from daxfuzz.kernel.errno import ENOMEM
from daxfuzz.kernel.gup import Foll, Gup
from daxfuzz.kernel.huge_memory import HugeMemory
from daxfuzz.kernel.memremap import DevPagemap
from daxfuzz.kernel.mm import Mm, Pmd, Pte
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch


class DropDaxPgmapAccounting(Patch):
    """mm/gup: Drop DAX pgmap accounting (13/13).

    GUP touches and grabs device pages that a page-table entry leads to, whether or not their page map is dying.

    The slow path takes a PMD entry of a device for a transparent huge page, which it grabs at its head before it
    finds the page at the address: but the pages of a file system's device are not compound (N-51). And it goes by the
    look without the lock when it has the lock (N-52). The fast path no longer gives back what it grabbed of a PMD or
    PUD entry that has changed (F-18).
    """

    adds: ClassVar = {"gup": ("followed_as_huge",), "huge_memory": ("page_to_grab",)}

    class gup(Gup):
        async def gup_get_dev_pagemap(self, pfn: int, pgmap: DevPagemap | None) -> tuple[DevPagemap | None, bool]:
            return None, True

        async def follow_pmd_mask(
            self, mm: Mm, address: int, flags: int, pgmap: DevPagemap | None
        ) -> tuple[Page | None, DevPagemap | None, int]:
            seen = await mm.pmd(address).read()
            if seen is None:
                return None, None, 0
            if not isinstance(seen, Pte):
                return await self.follow_page_pte(mm, address, flags, pgmap)
            await mm.pmd_lock.acquire()
            pmd = await mm.pmd(address).read()
            if pmd is None:
                await mm.pmd_lock.release()
                return None, None, 0
            if not self.followed_as_huge(seen, pmd):
                await mm.pmd_lock.release()
                return await self.follow_page_pte(mm, address, flags, pgmap)
            page, error = await self.k.huge_memory.follow_trans_huge_pmd(mm, address, flags)
            await mm.pmd_lock.release()
            return page, None, error

        def followed_as_huge(self, seen: Pte, pmd: Pmd) -> bool:
            """Whether an entry that is `pmd` under the lock is followed as a huge page; `seen`: without the lock."""
            # pmd_trans_huge looks at the one, pmd_devmap at the other.
            return (isinstance(pmd, Pte) and pmd.zero) or not seen.zero

        async def gup_device_leaf(
            self, pfns: range, flags: int, pages: list[Page], unchanged: Callable[[], Awaitable[bool]]
        ) -> bool:
            return await self._gup_device_huge(pfns.start, len(pfns), flags, pages) and await unchanged()

        async def _gup_device_huge(self, pfn: int, nr: int, flags: int, pages: list[Page]) -> bool:
            for page in self.k.pages[pfn : pfn + nr]:
                if not await self.try_grab_page(page, flags):
                    return False
                pages.append(page)
            return True

    class huge_memory(HugeMemory):
        async def follow_trans_huge_pmd(self, mm: Mm, address: int, flags: int) -> tuple[Page | None, int]:
            pmd = await mm.pmd(address).read()
            if not isinstance(pmd, Pte):
                self.k.bug("follow_trans_huge_pmd: a page table is taken for a huge page")
            if pmd.zero or (flags & Foll.WRITE and not pmd.write):
                return await super().follow_trans_huge_pmd(mm, address, flags)
            offset = address % mm.pmd_pages
            if not await self.k.gup.try_grab_page(self.page_to_grab(pmd, offset), flags):
                return None, -ENOMEM
            return self.k.pages[pmd.pfn + offset], 0

        def page_to_grab(self, pmd: Pte, offset: int) -> Page:
            """What is grabbed for the page at an offset of a PMD entry (in follow_trans_huge_pmd, mm/huge_memory.c).

            The first one: of a compound page that is right, since its count is the head's.
            """
            return self.k.pages[pmd.pfn]
