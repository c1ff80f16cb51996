"""The removal of a device, and what still refers to it."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.memremap import DevPagemap, MemoryType, Memremap
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.bugs.kinds import FREED_IN_USE
from daxfuzz.protocols.patch import Bug
from daxfuzz.protocols.repairs.freed_association import FixFreedAssociation
from daxfuzz.protocols.repairs.zapped_for_ever import FixZappedForEver
from daxfuzz.protocols.series_v3.request_folios import RequestFoliosInsertReferences
from daxfuzz.sim import wake_up_var


class PgmapReleaseBeforeLastPut(Bug):
    """The memory of a device goes before the references of its page map have drained.

    Unbind kills the page map, drops what the pages were born with, removes the memory, and only then waits. Whoever
    holds the page map, such as a grab under way, touches page structs that are gone.
    """

    number = "15"
    fix = "50f44ee7248a"
    release = "v5.3"
    category = "use-after-free"
    protocols: ClassVar = ("refcount-1-fixed", "series-v1-fixed", "series-v3-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("device-dax", "ext4", "xfs", "fuse")
    kinds: ClassVar = ("use-after-free",)

    class memremap(Memremap):
        async def memunmap_pages(self, pgmap: DevPagemap) -> None:
            await pgmap.ref.kill()
            await self.synchronize_rcu()
            await self.put_born_references(pgmap)
            await self.pageunmap_range(pgmap)
            await pgmap.done.wait()


class DevicePrivatePgmapRef(Bug):
    """The first reference of a page does not hold its page map.

    27674ef6c73f (v5.18) took away the reference with which each page was born, and that had held the page map. Unbind
    does not wait any more for pages that are in use, and who drops the last reference touches a struct that is gone.
    """

    number = "C14"
    fix = "0dc45ca1ce18"
    release = "v6.1"
    category = "use-after-free"
    protocols: ClassVar = ("series-v3-fixed",)
    filesystems: ClassVar = ("ext4", "xfs", "fuse", "device-dax")
    kinds: ClassVar = ("use-after-free",)
    replaces: ClassVar = (RequestFoliosInsertReferences, FixZappedForEver, FixFreedAssociation)

    class memremap(Memremap):
        def entry_pgmap_references(self, entry: Entry) -> int:
            return 0

        def page_pgmap_references(self, refcount: int) -> int:
            return 0

        async def pgmap_request_folios(self, pgmap: DevPagemap, folio: Page, nr: int) -> bool:
            if await pgmap.ref.is_dying():
                self.k.warn("pgmap_request_folios: page map is dying", folio)
                return False
            for each in self.k.pages[folio.pfn : folio.pfn + nr]:
                await each.refcount.add(1)
            return True

        async def free_zone_device_page(self, page: Page) -> None:
            await page.pgmap.read()
            await wake_up_var(self.k.var_waitqueues, page.address)


class PmemUnmapBeforeQueueDrain(Bug):
    """The memory of a device goes before its requests have ended.

    Release actions run in the opposite order of their registration, and that of the queue came first: a request that
    is under way writes to memory which is not mapped any more. Meanwhile transactions commit, too, and free blocks of
    entries that the removal has deleted (the repair of F-23).
    """

    number = "C16"
    fix = "32b2397c1e56"
    release = "v5.15"
    category = "use-after-free"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs")
    kinds: ClassVar = ("use-after-free", *FREED_IN_USE)

    class dax_device(DaxDevice):
        async def del_gendisk(self) -> None:
            return

    class memremap(Memremap):
        async def memunmap_pages(self, pgmap: DevPagemap) -> None:
            await super().memunmap_pages(pgmap)
            if pgmap.type is MemoryType.FS_DAX and self.k.fuse_conn is None:
                await self.k.q_usage.kill()
                await self.k.q_drained.wait()


class DmDaxSrcuLeak(Bug):
    """An error path ends without the end of its SRCU section.

    Device-mapper found no target, and returned without dm_put_live_table; whoever waits for that section afterwards
    does so for ever. Known deviation: it is the section of the DAX device, in direct_access, once the device is dead.
    """

    number = "C29"
    fix = "dm/dax: Fix table reference counts"
    release = "v5.9"
    category = "lock leak"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("lock-held", "deadlock")

    class dax_fault(DaxFault):
        async def dax_iomap_direct_access(self, block: int, pages: int) -> int | None:
            await self.k.dax_srcu.read_lock()
            if not await self.k.dax_alive.read():
                return None
            await self.k.dax_srcu.read_unlock()
            return block if block % pages == 0 else None
