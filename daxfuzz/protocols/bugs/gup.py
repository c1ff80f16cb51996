"""References that must not be taken, or are taken too late to be seen."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.errno import EFAULT
from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.mm import Mm, Vma
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Bug


class GupfastPinVsForkWrprotect(Bug):
    """A lockless pin does not see that fork write-protects pages meanwhile.

    fork has found the page of a process not pinned. A lockless pin reads the entry, which is still writable, and takes
    its reference; fork shares the page with the child. The parent's next store gets a copy, and the device keeps the
    old page.
    """

    number = "16"
    fix = "57efa1fe5957"
    release = "v5.11"
    category = "copy-on-write"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("cow-ownership",)

    class gup(Gup):
        async def lockless_pages_from_mm(self, mm: Mm, addresses: range, flags: int) -> list[Page]:
            pages: list[Page] = []
            await self.k.interrupts.local_irq_save()
            await self.gup_pud_range(mm, addresses, flags, pages)
            await self.k.interrupts.local_irq_restore()
            return pages


class LongtermPinBlocksTruncate(Bug):
    """A file system's page may be pinned for good.

    A registration of memory pins a page of a file and keeps it until its owner pleases. Truncate waits for that.
    """

    number = "25"
    fix = "94db151dc892, 2bb6d2837083"
    release = "v4.16"
    category = "endless wait"
    protocols: ClassVar = ("refcount-1-fixed",)
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("held-longterm-pin",)

    class gup(Gup):
        async def find_checked_vma(self, mm: Mm, address: int, flags: int) -> tuple[Vma | None, int]:
            vma = await self.k.memory.find_vma(mm, address)
            return vma, -EFAULT if vma is None else 0

        def fast_path_stops(self, flags: int) -> bool:
            return False


class CowBreakEitherWay(Bug):
    """A read-only pin takes a page that another process has, too.

    After fork both have the page read-only. One of them pins it to read, without getting a copy first; when it writes
    later it is given one, and the device goes on to read the old page.
    """

    number = "C8"
    fix = "17839856fd58, a7f226604170"
    release = "v5.8"
    category = "copy-on-write"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("cow-ownership",)

    class gup(Gup):
        async def gup_must_unshare(self, flags: int, page: Page) -> bool:
            return False
