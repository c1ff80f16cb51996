"""Pages in use that nobody waits for, or that the wait does not see: their blocks are freed under a device's hands."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.bugs.kinds import FREED_IN_USE
from daxfuzz.protocols.patch import Bug
from daxfuzz.protocols.refcount_zero.common_break import CommonBreakLayout
from daxfuzz.protocols.refcount_zero.removed_entries import RemoveEntriesOnBreak
from daxfuzz.protocols.repairs.evict_waits import FixEvictWaits
from daxfuzz.protocols.repairs.fuse_whole_file import FixFuseWholeFile
from daxfuzz.protocols.repairs.mapping_mapped import FixMappingMapped
from daxfuzz.protocols.repairs.reset_before_waiting import FixResetBeforeWaiting
from daxfuzz.protocols.repairs.skip_locked import FixSkipLocked


class TruncateIgnoresDmaPins(Bug):
    """Truncate waits for nobody who uses a page.

    A device writes to a page that get_user_pages has given it. Truncate removes the entry and frees the block, which
    another file gets, and the rest of the data ends there.
    """

    number = "1"
    fix = "5fac7408d828, d6dc57e251a4, 430657b6be89"
    release = "v4.18"
    category = "missed wait"
    protocols: ClassVar = ("refcount-1-fixed",)
    kinds: ClassVar = (*FREED_IN_USE, "freed-while-mapped", "stale-pte")

    class ext4(Ext4):
        async def ext4_break_layouts(self, inode: Inode) -> int:
            return 0

    class xfs(Xfs):
        async def xfs_break_dax_layouts(self, inode: Inode) -> tuple[int, bool]:
            return 0, False


class ScanSkipsLockedEntry(Bug):
    """The scan for busy pages skips locked entries.

    fsync has an entry locked while truncate walks over it. Inside the walk get_unlocked_entry finds nothing, so the
    entry's page, which a device writes to, counts as idle.
    """

    number = "3"
    fix = "6be3e21d25ca"
    release = "v6.15"
    category = "missed wait"
    protocols: ClassVar = ("refcount-1-fixed", "pin-wait-fixed", "series-v1-fixed", "series-v3-fixed")
    kinds: ClassVar = FREED_IN_USE
    reopens: ClassVar = (FixSkipLocked,)


class EvictIgnoresPins(Bug):
    """Eviction frees the blocks of pages that are in use.

    The owner of a pinned page unmaps, closes and unlinks its file. The last put deletes the entries and frees the
    blocks, and waits for nobody.
    """

    number = "5"
    fix = "0e2f80afcfa6"
    release = "v6.15"
    category = "missed wait"
    protocols: ClassVar = ("refcount-1-fixed", "pin-wait-fixed", "series-v1-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = FREED_IN_USE
    reopens: ClassVar = (FixEvictWaits,)


class BreakLayoutEmptyRange(Bug):
    """virtio-fs breaks the layout of the first page where it means the whole file.

    Truncate asks for bytes 0 to 0, which are page 0 and not "everything". Pages behind it stay mapped, and whoever has
    pinned them is not waited for.
    """

    number = "17"
    fix = "7851bf649d42"
    release = "v6.15"
    category = "missed wait"
    protocols: ClassVar = ("refcount-1-fixed", "pin-wait-fixed", "series-v1-fixed", "series-v3-fixed")
    filesystems: ClassVar = ("fuse",)
    kinds: ClassVar = (*FREED_IN_USE, "freed-while-mapped", "stale-pte")
    reopens: ClassVar = (FixFuseWholeFile,)


class UnmappedBusyPagesSkipped(Bug):
    """A file that nobody maps any more counts as idle.

    A page is pinned, and its file unmapped. dax_layout_busy_page returns before it looks at any page, and truncate
    frees the block under the pin.
    """

    number = "26"
    fix = "cee91fa13a8e"
    release = "v6.15"
    category = "missed wait"
    protocols: ClassVar = ("refcount-1-fixed", "pin-wait-fixed", "series-v1-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = FREED_IN_USE
    reopens: ClassVar = (FixMappingMapped,)


class PausedIteratorSkipsWaitedEntry(Bug):
    """A walk that has waited for a locked entry goes on behind it.

    The first fix of scan-skips-locked-entry pauses the walk before it sleeps, which moves it on. After fsync has
    unlocked the entry, truncate looks at the next one, and deletes and frees what it has not tested.
    """

    number = "27"
    fix = "dd59137bfe70"
    release = "v6.16"
    category = "missed wait"
    protocols: ClassVar = ("refcount-0-v6.15-fixed",)
    # A huge folio is split under its pin, and the unpin takes the count of one of its pages below 0.
    kinds: ClassVar = (*FREED_IN_USE, "refcount-underflow")
    reopens: ClassVar = (FixResetBeforeWaiting,)


class EntriesOutliveLayoutBreak(Bug):
    """Who has waited for the pages of a range leaves their entries to truncation.

    A file system that frees blocks without such a wait has its entries deleted all the same, and loses track of busy
    pages in silence. Once the wait deletes them, truncation warns of each entry that it finds, and so it does here.
    """

    number = "C3"
    fix = "bde708f1a65d"
    release = "v6.15"
    category = "missed wait"
    protocols: ClassVar = ("refcount-0-v6.15-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("kernel-warning",)

    class dax(RemoveEntriesOnBreak.dax):
        dax_break_layout = CommonBreakLayout.dax.dax_break_layout
