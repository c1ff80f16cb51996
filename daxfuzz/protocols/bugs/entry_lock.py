"""The lock of entries: wakes that go astray, and its place among other locks; other locks that faults may not hold."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.dax import Dax, WakeMode
from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import CONFLICT, Entry
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.fs.fuse_dax import FuseDax
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Bug
from daxfuzz.protocols.repairs.open_keeps_entries import FixOpenKeepsEntries
from daxfuzz.protocols.repairs.open_unlocks import FixOpenUnlocks


class InvalidateNullEntryBreaksWakeChain(Bug):
    """Who deletes an entry wakes one waiter, who finds no entry and wakes nobody.

    Several tasks that open a file of virtio-fs wait for an entry that fsync has locked, to delete it. The first one
    does and wakes the second, for which there is nothing to do; put_unlocked_entry passes a wake on only where there
    is an entry. That open(2) deletes entries is a flaw by itself (N-04), but without it hardly anybody does so at the
    same time as others.
    """

    number = "4"
    fix = "237388320def"
    release = "v5.13"
    category = "lost wakeup"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("fuse", "ext4")
    kinds: ClassVar = ("lost-wakeup",)
    reopens: ClassVar = (FixOpenKeepsEntries,)

    class dax(Dax):
        async def put_unlocked_entry(
            self, mapping: AddressSpace, xas: XaState, entry: Entry | None, mode: WakeMode
        ) -> None:
            await super().put_unlocked_entry(mapping, xas, entry, WakeMode.WAKE_NEXT)


class PmdWaiterOnWrongQueue(Bug):
    """A PMD fault waits for an entry of a page under its own index.

    A page in the middle of a PMD is locked. The fault that wants the whole of it takes its wait key from where the PMD
    begins; whoever unlocks wakes those with the key of the page.
    """

    number = "7"
    fix = "23c84eb78375"
    release = "v5.3"
    category = "lost wakeup"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("lost-wakeup",)

    class dax(Dax):
        async def get_unlocked_entry(self, mapping: AddressSpace, xas: XaState, size: int = 1) -> Entry | None:
            entry = await super().get_unlocked_entry(mapping, xas)
            if entry is None or entry.size(self.k.machine) >= size:
                return entry
            await self.put_unlocked_entry(mapping, xas, entry, WakeMode.WAKE_NEXT)
            return CONFLICT


class HoleReplaceWakesOne(Bug):
    """Who replaces an entry by another kind wakes one of its waiters.

    A fault on a page deletes the PMD entry of a hole to make way for its own, and wakes one of those who wait for the
    PMD. That one locks the entry of a page, and wakes in the end who waits for that. (Once it was a page of the page
    cache, with a lock of its own, that took the place of an entry.)
    """

    number = "8"
    fix = "965d004af540"
    release = "v4.10"
    category = "lost wakeup"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    kinds: ClassVar = ("lost-wakeup",)

    class dax(Dax):
        async def downgrade_pmd_entry(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
            pages = entry.size(self.k.machine)
            await self.dax_lock_entry(xas, entry)
            if entry.zero:
                await mapping.i_pages.lock.release()
                await self.k.memory.unmap_mapping_pages(mapping, xas.index - xas.index % pages, pages)
                xas.reset()
                await mapping.i_pages.lock.acquire()
            await self.dax_disassociate_entry(entry, mapping, trunc=False)
            await xas.store(None)
            await self.dax_wake_entry(mapping, xas.index, entry, WakeMode.WAKE_NEXT)


class EntryLockVsTransactionAbba(Bug):
    """Faults start a transaction with an entry locked, and writes lock entries in a transaction.

    write(2) has its handle open while it copies the user's data, and faults on memory of the same file. Another fault
    has that entry locked and starts a handle, which has to wait for a commit, which waits for the write's.
    """

    number = "9"
    fix = "9f141d6ef625, fb26a1cbed8c"
    release = "v4.12"
    category = "deadlock"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4",)
    kinds: ClassVar = ("lock-order", "deadlock")

    class ext4(Ext4):
        async def ext4_write_fault(self, vmf: Fault) -> VmFault:
            return await self.k.dax_fault.dax_iomap_fault(vmf)

        async def ext4_iomap_begin(self, inode: Inode, index: int, write: bool, pages: int) -> Iomap | None:
            if write:
                await self.k.journal.start()
            iomap = await super().ext4_iomap_begin(inode, index, write, pages)
            if write and (iomap is None or iomap.error):
                await self.k.journal.stop()
            return iomap

        async def iomap_end(self, inode: Inode, index: int, write: bool, iomap: Iomap, written: int) -> int:
            if write:
                await self.k.journal.stop()
            return await super().iomap_end(inode, index, write, iomap, written)


class DaxImmapLockDeadlocks(Bug):
    """Faults hold the lock of the file's mappings while they ask for a block.

    The lock was to keep faults on one page apart, before entries had one. A fault that replaces the page of a hole
    unmaps it from others, for which it takes the lock again.
    """

    number = "C1"
    fix = "0f90cc6609c7"
    release = "v4.3"
    category = "deadlock"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs", "fuse")
    kinds: ClassVar = ("self-deadlock", "lock-order", "deadlock")

    class dax_fault(DaxFault):
        async def dax_iomap_pte_fault(self, vmf: Fault) -> VmFault:
            lock = vmf.vma.mapping.i_mmap_rwsem
            await lock.down_write()
            result = await super().dax_iomap_pte_fault(vmf)
            await lock.up_write()
            return result


class FuseOpenLeaksInvalidateLock(Bug):
    """open(2) of a file of virtio-fs may end with a lock held.

    O_TRUNC waits for busy pages. A signal ends the wait, and the error path jumps past the unlock of invalidate_lock;
    every later fault and truncate waits for ever.
    """

    number = "C20"
    fix = "none"
    release = "not merged"
    category = "lock leak"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("fuse",)
    kinds: ClassVar = ("lock-held",)
    reopens: ClassVar = (FixOpenUnlocks,)


class UnmapInAtomic(Bug):
    """Who makes a PMD entry way for that of a page unmaps it where nobody may sleep.

    grab_mapping_entry had preemption off, for the memory that it had set aside for the tree, and unmapping takes the
    lock of the file's mappings. Known deviation: xa_lock is what it holds.
    """

    number = "C27"
    fix = "0cb80b484755"
    release = "v4.10"
    category = "sleep in atomic context"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("ext4", "xfs")
    kinds: ClassVar = ("sleeping-in-atomic", "deadlock")

    class dax(Dax):
        async def downgrade_pmd_entry(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
            pages = entry.size(self.k.machine)
            await self.dax_lock_entry(xas, entry)
            if entry.zero:
                await self.k.memory.unmap_mapping_pages(mapping, xas.index - xas.index % pages, pages)
            await self.dax_disassociate_entry(entry, mapping, trunc=False)
            await xas.store(None)
            await self.dax_wake_entry(mapping, xas.index, entry, WakeMode.WAKE_ALL)


class VirtiofsDmapReclaim(Bug):
    """A fault that finds no range free takes one away from its own file.

    For that it needs invalidate_lock exclusively, which it has shared itself, as other faults have. Who is rid of the
    lock waits for a range, and then tries again.
    """

    number = "C30"
    fix = "9a752d18c85a"
    release = "v5.10"
    category = "deadlock"
    protocols: ClassVar = ("refcount-1-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("fuse",)
    kinds: ClassVar = ("self-deadlock", "lock-order", "deadlock")

    class fuse_dax(FuseDax):
        async def fuse_setup_new_dax_mapping(
            self, inode: Inode, index: int, write: bool, pages: int, fault: bool
        ) -> Iomap:
            return await super().fuse_setup_new_dax_mapping(inode, index, write, pages, False)
