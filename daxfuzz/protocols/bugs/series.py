"""Defects of the series of 2022, "Fix the DAX-gup mistake", in its versions."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax_lock import DaxLock
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.vfs import Vfs
from daxfuzz.protocols.bugs.kinds import FREED_IN_USE
from daxfuzz.protocols.patch import Bug
from daxfuzz.protocols.repairs.failure_reads_name_once import FixFailureReadsNameOnce
from daxfuzz.protocols.repairs.idle_on_refcount import FixIdleOnRefcount
from daxfuzz.protocols.repairs.prune_spares_busy import FixPruneSparesBusy
from daxfuzz.protocols.repairs.unbind_waits import FixUnbindWaits
from daxfuzz.protocols.repairs.wake_on_threshold import FixWakeOnThreshold
from daxfuzz.protocols.repairs.wake_without_folio import FixWakeWithoutFolio


class PinOnlyIdleTest(Bug):
    """Plain references are not waited for.

    Patch 02 waits for pins only (page_maybe_dma_pinned). Truncate frees the block of a page that get_user_pages has
    given to somebody.
    """

    number = "S1"
    fix = "v2 of the series, patch 02"
    release = "not merged"
    category = "missed wait"
    protocols: ClassVar = ("pin-wait-fixed", "series-v1-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = FREED_IN_USE
    reopens: ClassVar = (FixIdleOnRefcount,)


class MaybePinnedFallsWithoutWake(Bug):
    """A count that looked like a pin falls without a wake.

    Many plain references push the count over GUP_PIN_COUNTING_BIAS, and truncate sleeps. put_page drops them below it,
    and only unpin_user_page wakes. Plain references are not waited for, either, as in pin-only-idle-test: its repair
    would hide this.
    """

    number = "S2"
    fix = "v2 of the series, patch 02"
    release = "not merged"
    category = "lost wakeup"
    protocols: ClassVar = ("pin-wait-fixed", "series-v1-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("lost-wakeup",)
    reopens: ClassVar = (FixWakeOnThreshold, FixIdleOnRefcount)


class PgmapPutAtEntryDelete(Bug):
    """The reference of the page map ends with the entry, and not with the last reference of the page.

    Entries hold the page map. Once they are deleted nothing does: an unbind frees the page structs, and a pin that has
    outlived its entry is given back to freed memory.
    """

    number = "S3"
    fix = "v3 of the series: put in free_zone_device_page"
    release = "not merged"
    category = "use-after-free"
    protocols: ClassVar = ("series-v1-fixed",)
    filesystems: ClassVar = ("ext4", "xfs", "fuse", "device-dax")
    kinds: ClassVar = ("use-after-free",)
    reopens: ClassVar = (FixUnbindWaits,)


class WaitHoldingFsLocks(Bug):
    """Truncate keeps the file's locks while it waits for a page.

    v1 of the series' successors waited where the entry is deleted. A transfer from one page of a file to another has
    pinned the first and faults on the second, for which it needs invalidate_lock.
    """

    number = "S4"
    fix = "v3 of the series: dax_break_layouts drops locks"
    release = "not merged"
    category = "deadlock"
    protocols: ClassVar = ("pin-wait-fixed", "series-v1-fixed", "series-v3-fixed")
    filesystems: ClassVar = ("ext4", "xfs")
    kinds: ClassVar = ("deadlock",)

    class ext4(Ext4):
        async def ext4_wait_dax_page(self, inode: Inode, address: int) -> None:
            await self.k.var_waitqueues.bucket(address).schedule()

    class xfs(Xfs):
        async def xfs_wait_dax_page(self, inode: Inode, address: int) -> None:
            await self.k.var_waitqueues.bucket(address).schedule()


class EvictTakesInodeLocks(Bug):
    """Eviction takes the locks of the inode in order to wait for its pages.

    Memory is reclaimed under the same locks of other files, and reclaim evicts.
    """

    number = "S5"
    fix = "v3 of the series: no locks in evict_inode"
    release = "not merged"
    category = "deadlock"
    protocols: ClassVar = ("series-v3-fixed", "pin-wait-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("fuse", "ext4", "xfs")
    kinds: ClassVar = ("lock-order", "deadlock", "self-deadlock")

    class vfs(Vfs):
        async def evict(self, inode: Inode) -> None:
            await inode.i_rwsem.down_write()
            await inode.i_mapping.invalidate_lock.down_write()
            await super().evict(inode)
            await inode.i_mapping.invalidate_lock.up_write()
            await inode.i_rwsem.up_write()


class ReclaimWaitsForPinHolder(Bug):
    """Reclaim evicts a file whose page is pinned, and waits for who needs the memory.

    A task has pinned a page, unmapped and closed the file, and allocates. Reclaim drops the dentry, and the eviction of
    virtio-fs's inode waits for that very pin. Accepted in review, and so it is upstream.
    """

    number = "S6"
    fix = "none"
    release = "not merged"
    category = "deadlock"
    protocols: ClassVar = ("series-v3-fixed", "pin-wait-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("fuse",)
    kinds: ClassVar = ("deadlock", "self-deadlock")
    reopens: ClassVar = (FixPruneSparesBusy,)


class WakeAfterLastPutReadsPgmap(Bug):
    """The wake after the last unpin reads a page that may be gone.

    gup_put_folio drops the pin and then looks at page.pgmap to see whether somebody waits. An unbind that waited for
    this very pin has freed the page struct by then.
    """

    number = "S7"
    fix = "v2 of the series, patch 02"
    release = "not merged"
    category = "use-after-free"
    protocols: ClassVar = ("pin-wait-fixed", "series-v1-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("use-after-free",)
    reopens: ClassVar = (FixWakeWithoutFolio,)


class ZapToZeroWithNoOwner(Bug):
    """A memory failure trusts the mapping that it has read from a page that nobody holds.

    While the count of a page is 0 its file may drop it at any time. Who does not look again under xa_lock locks an
    entry that is not the page's, or finds none. (The repair of N-230, which looks whether the entry is one of the page,
    would hide it.)
    """

    number = "S8"
    fix = "review of v2: revalidate under xa_lock"
    release = "not merged"
    category = "use-after-free"
    protocols: ClassVar = ("series-v3-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "fuse")
    kinds: ClassVar = ("kernel-warning", "use-after-free", "association", "entry-lock")
    reopens: ClassVar = (FixFailureReadsNameOnce,)

    class dax_lock(DaxLock):
        async def still_names(self, page: Page, mapping: AddressSpace) -> bool:
            return True
