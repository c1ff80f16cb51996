"""N-202: a fault on fuse waits for a range with mmap_lock, which who has pinned the ranges waits for."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.fs.fuse_dax import FuseDax
from daxfuzz.kernel.gup import Foll, Gup
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.mm import Mm
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Repair


class FixRangeWaitUnlocked(Repair):
    """Drop mmap_lock for the wait, and have the access tried again (VM_FAULT_RETRY).

    v6.0 to v6.19, virtio-fs: all ranges are in use, and one thread's fault waits for a free one, uninterruptibly and
    with mmap_lock held for reading (__fuse_dax_fault). Another thread calls munmap and waits for mmap_lock. A third
    one has pinned pages of the ranges by GUP-fast, and needs the slow path for the next page: it queues behind the
    writer, with its pins. Nobody can reclaim a range before these are gone. No upstream fix known.

    The protection from freezing is dropped, too, since mmap_lock comes before it. get_user_pages begins anew.
    """

    flaw = "N-202"

    class fuse_dax(FuseDax):
        keeps_mmap_lock: ClassVar[bool] = False

        async def _fuse_dax_fault(self, vmf: Fault) -> VmFault:
            mmap_lock = vmf.vma.mm.mmap_lock
            result = await super()._fuse_dax_fault(vmf)
            if result is VmFault.RETRY and self.may_wait(vmf):
                await mmap_lock.up_read()
                await self.wait_for_free_range()
                await mmap_lock.down_read()
            return result

    class gup(Gup):
        async def _get_user_pages(self, mm: Mm, addresses: range, flags: int) -> list[Page] | int:
            while True:
                pages = await super()._get_user_pages(mm, addresses, flags)
                if pages != 0 or flags & Foll.NOWAIT:
                    return pages
