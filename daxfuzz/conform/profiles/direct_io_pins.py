"""v6.5: direct reads pin the pages of their buffer."""

from __future__ import annotations

from daxfuzz.kernel.direct_io import DirectIo
from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.kept import Kept
from daxfuzz.kernel.mm import Mm
from daxfuzz.protocols.patch import Patch


class DirectIoPins(Patch):
    """block, iomap: Direct I/O takes FOLL_PIN for the pages of its buffer (v6.5).

    Sequence pin-direct-truncate: while the device reads, the page's count is higher by 1024, not by 1.
    """

    class direct_io(DirectIo):
        async def iomap_dio_rw(self, mm: Mm, inode: Inode, first: int, addresses: range, value: int) -> int:
            pages = await self.k.gup.internal_get_user_pages_fast(mm, addresses, Foll.PIN | Foll.WRITE)
            if isinstance(pages, int):
                return pages
            me = self.k.world.current.index
            for offset, page in enumerate(pages):
                await self.k.request_queue.submit(Kept(page.pfn, me, inode.number, first + offset, True, value))
            return len(pages)

        async def bio_endio(self) -> Kept:
            bio = await self.k.request_queue.take()
            await self.k.blocks[bio.pfn].dma_write(bio.value)
            await self.k.request_queue.done(bio)
            await self.k.gup.unpin_user_pages([self.k.pages[bio.pfn]])
            return bio
