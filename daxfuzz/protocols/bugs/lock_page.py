"""dax_lock_page and its helper, which c2a7d2a11552 (v4.19) added for memory failures: five bugs in three months.

All of them are about a task that comes from a page, with no lock of the file system and no reference of the inode.
"""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax import WakeMode
from daxfuzz.kernel.dax_lock import DaxLock
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.page import Cow
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Bug
from daxfuzz.protocols.repairs.shared_page_failure import FixSharedPageFailure
from daxfuzz.sim import TaskState, WaitEntry


class LockPageDropsExclusiveWake(Bug):
    """A memory failure that was woken for a locked entry passes the wake on to nobody.

    It sleeps as an exclusive waiter, in front of a fault. The holder turns the entry into one of a hole, and wakes
    one: the failure finds nothing to lock any more and goes away, and the fault sleeps on.
    """

    number = "10"
    fix = "25bbe21bf427"
    release = "v4.20"
    category = "lost wakeup"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("xfs",)
    kinds: ClassVar = ("lost-wakeup",)

    class dax_lock(DaxLock):
        async def wait_entry_unlocked(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
            xas.reset()
            await self.k.dax.get_unlocked_entry(mapping, xas)
            await mapping.i_pages.lock.release()


class ExclusiveWaitByNonLocker(Bug):
    """Who does not have to lock the entry in the end waits for it exclusively.

    wait_entry_unlocked of 55e56f06ed71 returns without xa_lock, so a memory failure that finds the file gone, or no
    block at the place any more, cannot pass on the wake that was meant for the next exclusive waiter.
    """

    number = "11"
    fix = "d8a706414af4"
    release = "v5.0"
    category = "lost wakeup"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("xfs",)
    kinds: ClassVar = ("lost-wakeup",)

    class dax_lock(DaxLock):
        async def wait_entry_unlocked(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
            queue, key = self.k.dax.dax_entry_waitqueue(mapping, xas.index, entry)
            waiter = WaitEntry(self.k.world.current, key, exclusive=True)
            await queue.prepare_to_wait(waiter, TaskState.UNINTERRUPTIBLE)
            await mapping.i_pages.lock.release()
            await queue.schedule()
            await queue.finish_wait(waiter)


class LockPageFreedInode(Bug):
    """After its sleep a memory failure takes a lock of an inode that may be gone.

    It waits for a locked entry without RCU. The holder unlocks, the file is evicted and its inode freed; then
    get_unlocked_entry takes xa_lock of what was the inode.
    """

    number = "12"
    fix = "55e56f06ed71"
    release = "v4.20"
    category = "use-after-free"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "fuse")
    kinds: ClassVar = ("use-after-free",)

    class dax_lock(DaxLock):
        async def wait_entry_unlocked(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
            xas.reset()
            found = await self.k.dax.get_unlocked_entry(mapping, xas)
            await self.k.dax.put_unlocked_entry(mapping, xas, found, WakeMode.WAKE_NEXT)
            await mapping.i_pages.lock.release()


class LockMappingEntrySelfDeadlock(Bug):
    """A memory failure that has waited for an entry takes xa_lock twice.

    The helper that sleeps comes back with xa_lock held, and the loop begins again with taking it.
    """

    number = "19"
    fix = "f52afc93cd01"
    release = "v4.19"
    category = "deadlock"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("self-deadlock",)

    class dax_lock(DaxLock):
        async def wait_entry_unlocked(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
            await super().wait_entry_unlocked(mapping, xas, entry)
            await mapping.i_pages.lock.acquire()


class LockPageNullMapping(Bug):
    """A memory failure follows the mapping of a page that has none.

    The file is truncated, or evicted, before dax_lock_page reads page.mapping. NULL is not looked for, neither at first
    nor after a sleep.
    """

    number = "21"
    fix = "c93db7bb6ef3"
    release = "v4.20"
    category = "NULL pointer"
    protocols: ClassVar = ("refcount-1-fixed",)
    filesystems: ClassVar = ("ext4", "fuse")
    kinds: ClassVar = ("kernel-warning",)

    class dax_lock(FixSharedPageFailure.dax_lock):
        def dax_mapping(self, mapping: AddressSpace | Cow | None) -> AddressSpace | None:
            if mapping is None:
                self.k.bug("dax_lock_page: page.mapping is NULL")
            return super().dax_mapping(mapping)
