"""unlocked-access."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.dax_io import DaxIo
from daxfuzz.kernel.dax_writeback import DaxWriteback
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.errno import EBUSY
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.fs.fuse_dax import FuseDax
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.memory import Fault, Memory, VmFault
from daxfuzz.kernel.memremap import DevPagemap, Memremap
from daxfuzz.kernel.mm import Mm, Pte
from daxfuzz.kernel.splice import Splice
from daxfuzz.kernel.tlb import MmuGather
from daxfuzz.kernel.truncate import Truncate
from daxfuzz.kernel.vfs import Vfs
from daxfuzz.kernel.xarray import XaState
from daxfuzz.oracles.unlocked_access import UnlockedAccess
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.refcount_zero.counted_pages import ProperlyRefcountFsDaxPages
from daxfuzz.protocols.repairs.share_lock import FixShareLock

TWO = {"file0": 1, "file1": 1}
THREE = {**TWO, "file2": 1}

FAULT = program({"mapper": ["store(file0, 0)"]}, prefault=False)
SYNC = program({"syncer": ["store(file0, 0)", "fsync(file0)"]})
REWRITE = program({"writer": ["store(file0, 0)", "fsync(file0)", "write(file0, 0)"]})
TRUNCATE = program({"truncator": ["truncate(file0, 0)"]})
PUNCH = program({"puncher": ["fallocate(file0, PUNCH_HOLE, 0, 1)"]})
ALLOCATE = program({"allocator": ["fallocate(file0, ALLOCATE, 0, 1)"]}, prefault=False)
UNLINK = program({"unlinker": ["unlink(file0)"]})
REMOVE = program({"remover": ["unlink(file0)", "munmap(file0)", "close(file0)"]})
REOPEN = program({"opener": ["load(file0, 0)", "unlink(file0)", "open(file0)"]})
FREEZE = program({"freezer": ["freeze()", "thaw()"]})
COPY = program({"writer": ["store(file1, 0)"]}, files=TWO, clones={"file1": "file0"})
CLOSE = program({"closer": ["close(file0)"], "other": ["load(file0, 0)"]}, mms={"mm0": ("closer", "other")})
PIPE = program({"reader": ["pipe_read()"]})
DURABLE = program({"mapper": ["munmap(file0)", "mmap(file0, MAP_SYNC)", "store(file0, 0)"]}, prefault=False)
FILL = program({"mapper": ["load(file0, 0)", "store(file0, 0)"]}, prefault=False)
RECLAIM = program({"worker": ["fuse_dax_free_mem_worker()"]}, window_ranges=1)
UNBIND = program({"unbinder": ["unbind()"]})
PIN = program({"pinner": ["r0 = get_user_pages(file0, 0)", "put_page(r0)"]})
CLONE = program({"cloner": ["reflink(file0, 0, file1, 0, 1)"]}, files=TWO)
DEMAND = program({"mapper": ["store(file0, 0)", "munmap(file0)", "mmap(file0)", "store(file0, 0)"]}, prefault=False)


class InsertWithoutPtl(Patch):
    """mm: Set page-table entries without their lock."""

    class memory(Memory):
        async def vmf_insert_mixed(self, vmf: Fault, new: Pte) -> VmFault:
            await self.pte_alloc(vmf.vma.mm, vmf.address)
            await vmf.vma.mm.slots[vmf.address].write(new)
            return VmFault.NOPAGE


class TruncateUnderSharedLock(Patch):
    """ext4: Free blocks with i_data_sem held shared."""

    class ext4(Ext4):
        async def ext4_truncate(self, inode: Inode, size: int) -> None:
            await inode.i_data_sem.down_read()
            await self.ext4_remove_space(inode, size, len(inode.extents) - 1)
            await inode.i_data_sem.up_read()


class DisassociateWithoutXaLock(Patch):
    """dax: Forget associations after xa_lock is dropped."""

    class dax(Dax):
        async def _dax_invalidate_entry(self, mapping: AddressSpace, index: int, trunc: bool) -> bool:
            await mapping.i_pages.lock.acquire()
            entry: Entry | None = await XaState(mapping.i_pages, index).load()
            await XaState(mapping.i_pages, index).store(None)
            await mapping.i_pages.lock.release()
            if entry is not None:
                await self.dax_disassociate_entry(entry, mapping, trunc)
            return True


class QueueWithoutLock(Patch):
    """fuse: Add ranges to the free pool without fcd.lock."""

    class fuse_dax(FuseDax):
        async def alloc_dax_mapping(self) -> None:
            await self.conn().free_ranges.write(())


class MarkWithoutXaLock(Patch):
    """dax: Mark what is to be written back without xa_lock."""

    class dax_writeback(DaxWriteback):
        async def dax_writeback_mapping_range(self, mapping: AddressSpace, first: int, last: int) -> int:
            await mapping.i_pages.tag_for_writeback(first, last)
            return await super().dax_writeback_mapping_range(mapping, first, last)


class LookWithoutSrcu(Patch):
    """dax: Look whether the device lives outside dax_srcu."""

    class dax_fault(DaxFault):
        async def dax_iomap_direct_access(self, block: int, pages: int) -> int | None:
            return block if await self.k.dax_alive.read() else None


class TruncateAsNobody(Patch):
    """fs: Do not keep the file system from being frozen during truncation."""

    class xfs(Xfs):
        async def do_truncate(self, inode: Inode, size: int) -> int:
            await inode.i_rwsem.down_write()
            error = await self.setattr_size(inode, size)
            await inode.i_rwsem.up_write()
            return error


class ChangeWithoutHandle(Patch):
    """ext4: Free blocks outside of a transaction."""

    class ext4(Ext4):
        async def ext4_truncate(self, inode: Inode, size: int) -> None:
            await inode.i_data_sem.down_write()
            await self.ext4_remove_space(inode, size, len(inode.extents) - 1)
            await inode.i_data_sem.up_write()


class ResizeWithoutHandle(Patch):
    """ext4: Set the size outside of a transaction."""

    class ext4(Ext4):
        async def ext4_setattr(self, inode: Inode, size: int) -> int:
            lock = inode.i_mapping.invalidate_lock
            await lock.down_write()
            await inode.i_size.write(size)
            await self.k.truncate.truncate_pagecache(inode.i_mapping, size)
            await lock.up_write()
            return 0


class UnmapWithoutIlock(Patch):
    """xfs: Free blocks without ILOCK."""

    class xfs(Xfs):
        async def xfs_unmap_extent(self, inode: Inode, first: int, last: int) -> int:
            await self.k.sb.intwrite.down_read()
            await inode.extents[last].write(None)
            await self.k.sb.intwrite.up_read()
            return last - 1


class PunchWithFaults(Patch):
    """xfs: Punch holes with MMAPLOCK dropped."""

    class xfs(Xfs):
        async def xfs_free_file_space(self, inode: Inode, first: int, last: int) -> None:
            await inode.i_mapping.invalidate_lock.up_write()
            await super().xfs_free_file_space(inode, first, last)
            await inode.i_mapping.invalidate_lock.down_write()


class AllocateUnlocked(Patch):
    """ext4: Preallocate without i_rwsem."""

    class ext4(Ext4):
        async def ext4_do_fallocate(self, inode: Inode, first: int, length: int, keep_size: bool) -> int:
            return await self.ext4_alloc_file_blocks(inode, first, length, None, False)


class FaultUnlocked(Patch):
    """ext4: Fault without invalidate_lock."""

    class ext4(Ext4):
        async def ext4_dax_huge_fault(self, vmf: Fault) -> VmFault:
            await self.k.sb.pagefault.down_read()
            result = await self.ext4_write_fault(vmf)
            await self.k.sb.pagefault.up_read()
            return result


class UnlinkUnlocked(Patch):
    """vfs: Do not lock the directory for unlink."""

    class vfs(Vfs):
        async def do_unlinkat(self, inode: Inode) -> int:
            await self.k.sb.writers.down_read()
            await inode.i_rwsem.down_write()
            error = await self.k.fs.unlink(inode)
            await inode.i_rwsem.up_write()
            await self.k.sb.writers.up_read()
            return error


class ThawUnlocked(Patch):
    """vfs: Look at the state of a freeze without s_umount."""

    class vfs(Vfs):
        async def ioctl_fsfreeze(self) -> int:
            return -EBUSY if await self.k.sb.frozen.read() else await self.freeze_super()


class ShareWithoutAgf(Patch):
    """xfs: Look at the refcount btree without AGF."""

    class xfs(Xfs):
        async def xfs_reflink_find_shared(self, pfn: int) -> bool:
            return await self.k.allocator.shared(pfn)


class AgfBeforeCommit(Patch):
    """xfs: Let AGF go as soon as a block is free."""

    class xfs(Xfs):
        async def xfs_free_extent(self, pfn: int, inode: Inode, index: int) -> None:
            await super().xfs_free_extent(pfn, inode, index)
            await self.k.agf.release()


class CowForkUnlocked(Patch):
    """xfs: Look into the CoW fork without ILOCK."""

    class xfs(Xfs):
        async def xfs_reflink_end_cow(self, inode: Inode, first: int, last: int) -> None:
            if await inode.cow_fork.lookup(first, last) is not None:
                await super().xfs_reflink_end_cow(inode, first, last)


class WalkOutsideRcu(Patch):
    """mm: Walk over a page cache outside of RCU."""

    class truncate(Truncate):
        async def find_lock_entries(self, mapping: AddressSpace, first: int, last: int) -> list[int]:
            found = await mapping.i_pages.find(first, last)
            return [] if found is None else [found.at]


class LookOutsideRcu(Patch):
    """fs/dax: Look at the entry of a fault once before xa_lock is taken."""

    class dax(Dax):
        async def grab_mapping_entry(self, mapping: AddressSpace, xas: XaState, size: int) -> Entry:
            await XaState(mapping.i_pages, xas.index).load()
            return await super().grab_mapping_entry(mapping, xas, size)


class CloseUnlocked(Patch):
    """vfs: Close a descriptor without file_lock."""

    class vfs(Vfs):
        async def do_close(self, mm: Mm, inode: Inode) -> int:
            if await mm.files.close(inode.number):
                self.fput(inode)
            return 0


class SpliceUnlocked(Patch):
    """splice: Look into the pipe without its mutex."""

    class splice(Splice):
        async def pipe_read(self) -> int:
            return await super().pipe_read() if await self.k.pipe.bufs.read() else 0


class TruncateUnderReadLock(Patch):
    """ext4: Truncate page cache with faults going on."""

    class ext4(Ext4):
        async def ext4_setattr(self, inode: Inode, size: int) -> int:
            await inode.i_mapping.invalidate_lock.down_read()
            await self.k.truncate.truncate_pagecache(inode.i_mapping, size)
            await inode.i_mapping.invalidate_lock.up_read()
            return 0


class MarkWithoutInvalidateLock(Patch):
    """ext4: Map what is durable now without invalidate_lock."""

    class ext4(Ext4):
        async def ext4_dax_huge_fault(self, vmf: Fault) -> VmFault:
            lock = vmf.vma.mapping.invalidate_lock
            await self.k.sb.pagefault.down_read()
            await lock.down_read()
            result = await self.ext4_write_fault(vmf)
            await lock.up_read()
            if result is VmFault.NEEDDSYNC:
                result = await self.k.dax_fault.dax_finish_sync_fault(vmf)
            await self.k.sb.pagefault.up_read()
            return result


class UpgradeShared(Patch):
    """fuse: Have a range mapped for writing with fi.dax.sem held shared."""

    class fuse_dax(FuseDax):
        async def fuse_iomap_begin(
            self, inode: Inode, index: int, write: bool, pages: int = 1, fault: bool = False
        ) -> Iomap | None:
            for _, dmap in inode.fuse.tree.value:
                await inode.fuse.sem.down_read()
                await dmap.writable.write(write)
                await inode.fuse.sem.up_read()
            return await super().fuse_iomap_begin(inode, index, write, pages, fault)


class ReclaimWithFaults(Patch):
    """fuse: Take a range from a file without invalidate_lock."""

    class fuse_dax(FuseDax):
        async def lookup_and_reclaim_dmap(self, inode: Inode, start: int) -> int:
            await inode.fuse.sem.down_write()
            for _, dmap in inode.fuse.tree.value:
                await self.tree_remove(inode, dmap)
            await inode.fuse.sem.up_write()
            return 0


class UnbindUnlocked(Patch):
    """dax: Take the driver away without device_lock."""

    class dax_device(DaxDevice):
        async def unbind(self) -> int:
            await self.k.device_bound.write(False)
            return 0


class TryOutsideRcu(Patch):
    """mm: Take a reference of the page map after the section in which it was found."""

    class memremap(Memremap):
        async def get_dev_pagemap(self, pfn: int, pgmap: DevPagemap | None) -> DevPagemap | None:
            await self.k.rcu.read_lock()
            found = await self.k.pgmap_array.read()
            await self.k.rcu.read_unlock()
            return found if found is not None and await found.ref.tryget_live() else None


class FlagWithoutTransaction(Patch):
    """xfs: Note outside of a transaction that files share blocks."""

    class xfs(Xfs):
        async def xfs_reflink_set_inode_flag(self, source: Inode, dest: Inode) -> None:
            for inode in (source, dest):
                await inode.ilock.down_write()
                await inode.reflink.write(True)
                await inode.ilock.up_write()


class ScanWithFaults(Patch):
    """ext4: Look for busy pages with faults going on."""

    class ext4(Ext4):
        async def ext4_break_layouts(self, inode: Inode) -> int:
            await inode.i_mapping.invalidate_lock.up_write()
            await self.k.dax.dax_layout_busy_page(inode.i_mapping)
            await inode.i_mapping.invalidate_lock.down_write()
            return 0


class SizeBeforeLock(Patch):
    """ext4: Look at the size before i_rwsem is taken, and at nothing else."""

    class ext4(Ext4):
        async def ext4_punch_hole(self, inode: Inode, first: int, length: int) -> int:
            last = await inode.i_size.read() - 1
            await inode.i_rwsem.down_write()
            await inode.i_mapping.invalidate_lock.down_write()
            await self.k.truncate.truncate_pagecache_range(inode.i_mapping, first, last)
            await inode.i_mapping.invalidate_lock.up_write()
            await inode.i_rwsem.up_write()
            return 0

        async def ext4_do_fallocate(self, inode: Inode, first: int, length: int, keep_size: bool) -> int:
            length = await inode.i_size.read()
            await inode.i_rwsem.down_write()
            error = await self.ext4_alloc_file_blocks(inode, first, length, None, False)
            await inode.i_rwsem.up_write()
            return error

        async def setattr_size(self, inode: Inode, size: int) -> int:
            await inode.i_rwsem.up_write()
            size = await inode.i_size.read() + 1
            await inode.i_rwsem.down_write()
            await self.k.journal.start()
            await inode.i_size.write(size)
            await self.k.journal.stop()
            return 0


class SizeBeforeAndAfterLock(Patch):
    """ext4: Look at the size before i_rwsem is taken, too."""

    class ext4(Ext4):
        async def do_truncate(self, inode: Inode, size: int) -> int:
            await inode.i_size.read()
            return await super().do_truncate(inode, size)


class SyncLooksAtSize(Patch):
    """xfs: Look at the size in fsync, which takes no lock."""

    class xfs(Xfs):
        async def vfs_fsync_range(self, inode: Inode, first: int, last: int) -> int:
            return await super().vfs_fsync_range(inode, first, await inode.i_size.read() - 1)


class CloneAsNobody(Patch):
    """xfs: Do not ask for write access to the mount before a clone."""

    class xfs(Xfs):
        async def ioctl_file_clone(self, source: Inode, first: int, dest: Inode, to: int, length: int) -> int:
            return await self.xfs_file_remap_range(source, first, dest, to, length, dedupe=False)


class InvalidateUnlocked(Patch):
    """dax: write(2) deletes clean entries of what it overwrites, with faults going on."""

    class dax_io(DaxIo):
        def invalidates(self, iomap: Iomap) -> bool:
            return True


class UnlockBeforeCommit(Patch):
    """xfs: Drop ILOCK before the transaction commits."""

    class xfs(Xfs):
        async def xfs_trans_commit(self, inode: Inode) -> None:
            await inode.ilock.up_write()
            await self.xfs_trans_end(inode)


class HandleFirst(Patch):
    """ext4: Open a handle, and only then keep a freeze away."""

    class ext4(Ext4):
        async def ext4_evict_inode(self, inode: Inode) -> None:
            await self.k.journal.start()
            await self.k.sb.intwrite.down_read()
            await self.k.journal.stop()
            await self.k.sb.intwrite.up_read()


class UseUnlocked(Patch):
    """fuse: Take a reference of a range without fi.dax.sem."""

    class fuse_dax(FuseDax):
        async def fuse_iomap_end(self, iomap: Iomap) -> int:
            assert iomap.private is not None
            await iomap.private.refcnt.add(1)
            await self.dmap_put(iomap.private)
            return await super().fuse_iomap_end(iomap)


class LookUpUnlocked(Patch):
    """vfs: Look a name up without the directory's i_rwsem."""

    class vfs(Vfs):
        async def open_last_lookups(self, inode: Inode) -> None:
            await inode.unhashed.write(False)


class AssociateWithoutShareLock(Patch):
    """dax: Forget the lock that FixShareLock has added."""

    class dax(FixShareLock.dax):
        async def dax_disassociate_entry(self, entry: Entry, mapping: AddressSpace, trunc: bool) -> None:
            for page in self.k.pages[: self.k.device_pages]:
                await page.mapping.write(None)


@pytest.mark.parametrize(
    ("of", "filesystem", "patch", "said"),
    [
        (TRUNCATE, "ext4", ScanWithFaults, "looks for busy pages of file0.i_pages without invalidate_lock"),
        (PUNCH, "ext4", SizeBeforeLock, "decides by file0.i_size without i_rwsem"),
        (ALLOCATE, "ext4", SizeBeforeLock, "decides by file0.i_size without i_rwsem"),
        (TRUNCATE, "ext4", SizeBeforeLock, "decides by file0.i_size without i_rwsem"),
        (TRUNCATE, "ext4", TruncateUnderReadLock, "truncates file0.i_pages without invalidate_lock"),
        (DURABLE, "ext4", MarkWithoutInvalidateLock, "marks entries of file0.i_pages without invalidate_lock"),
        (FILL, "fuse", UpgradeShared, "changes dmap0.writable without fi.dax.sem"),
        (RECLAIM, "fuse", ReclaimWithFaults, "takes a range from file0.dax_tree without invalidate_lock"),
        (UNBIND, "ext4", UnbindUnlocked, "stores device.driver without device_lock"),
        (PIN, "ext4", TryOutsideRcu, "tries to get pgmap.ref without rcu"),
        (REWRITE, "ext4", InvalidateUnlocked, "changes file0.i_pages without invalidate_lock"),
        (CLONE, "xfs", CloneAsNobody, "without sb_writers"),
        (TRUNCATE, "xfs", UnlockBeforeCommit, "commits to journal without ilock"),
        (REMOVE, "ext4", HandleFirst, "opens a handle of journal without sb_writers"),
        (FAULT, "fuse", UseUnlocked, "gets dmap0.refcnt without fi.dax.sem"),
        (CLONE, "xfs", FlagWithoutTransaction, "changes file0.reflink without sb_internal"),
        (TRUNCATE, "xfs", TruncateAsNobody, "changes file0.i_size without sb_writers"),
        (TRUNCATE, "ext4", ChangeWithoutHandle, "changes file0.extent0 without jbd2_handle"),
        (TRUNCATE, "ext4", ResizeWithoutHandle, "changes file0.i_size without jbd2_handle"),
        (PUNCH, "xfs", UnmapWithoutIlock, "stores file0.extent0 without file0.ilock"),
        (PUNCH, "xfs", PunchWithFaults, "changes file0.extent0 without invalidate_lock"),
        (ALLOCATE, "ext4", AllocateUnlocked, "changes file0.extent0 without invalidate_lock"),
        (FAULT, "ext4", FaultUnlocked, "changes file0.i_pages without invalidate_lock"),
        (UNLINK, "ext4", UnlinkUnlocked, "changes file0.i_nlink without i_rwsem/parent"),
        (REOPEN, "ext4", LookUpUnlocked, "changes file0.unhashed without i_rwsem/parent"),
        (FREEZE, "ext4", ThawUnlocked, "loads sb.frozen without sb.s_umount"),
        (COPY, "xfs", ShareWithoutAgf, "looks at the owners in allocator without agf"),
        (PUNCH, "xfs", AgfBeforeCommit, "gives agf up before it commits what it has freed"),
        (COPY, "xfs", CowForkUnlocked, "looks at file1.cow_fork without ilock"),
        (TRUNCATE, "ext4", WalkOutsideRcu, "walks over file0.i_pages without rcu"),
        (FAULT, "ext4", LookOutsideRcu, "walks over file0.i_pages without rcu"),
        (CLOSE, "ext4", CloseUnlocked, "walks over mm0.files without file_lock"),
        (PIPE, "ext4", SpliceUnlocked, "loads pipe.bufs without pipe.mutex"),
        (SYNC, "ext4", MarkWithoutXaLock, "marks entries of file0.i_pages without xa_lock"),
        (FAULT, "ext4", LookWithoutSrcu, "loads dax_device.alive outside a section of dax_srcu"),
        (FAULT, "ext4", InsertWithoutPtl, "without mm0.ptl0.0"),
        (TRUNCATE, "ext4", TruncateUnderSharedLock, "without file0.i_data_sem"),
        (TRUNCATE, "ext4", DisassociateWithoutXaLock, "without xa_lock"),
        (FAULT, "fuse", QueueWithoutLock, "fcd.free_ranges without fcd.lock"),
    ],
)
def test_a_store_without_its_lock_is_a_finding(of: Program, filesystem: str, patch: type[Patch], said: str) -> None:
    sim = simulate(of, patch, protocol="pin-wait", filesystem=filesystem, oracles=[UnlockedAccess])
    violation = trip(sim, "unlocked-access", simple=1, random=0)
    assert said in violation.message


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse", "device-dax"])
@pytest.mark.parametrize("of", [FAULT, DEMAND])
def test_faults_and_unmaps_hold_their_locks(of: Program, filesystem: str) -> None:
    assert_silent(simulate(of, filesystem=filesystem))


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
def test_truncation_and_eviction_hold_theirs(filesystem: str) -> None:
    calls = ["truncate(file0, 0)", "unlink(file0)", "munmap(file0)", "close(file0)"]
    assert_silent(simulate(program({"truncator": calls}), filesystem=filesystem))


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
def test_lookups_of_what_is_gone_hold_theirs(filesystem: str) -> None:
    sim = simulate(
        program({"opener": ["load(file0, 0)", "unlink(file0)", "open(file0)"], "other": ["open(file0)"]}),
        filesystem=filesystem,
    )
    assert_silent(sim)


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_what_changes_files_holds_theirs(filesystem: str) -> None:
    calls = [
        "write(file0, 1)",
        "fallocate(file0, COLLAPSE_RANGE, 0, 1)",
        "fallocate(file0, INSERT_RANGE, 0, 1)",
        "fallocate(file0, ZERO_RANGE, 0, 1)",
        "freeze()",
        "thaw()",
        "drop_caches()",
    ]
    of = program({"changer": calls, "mapper": ["store(file0, 0)"]}, files={"file0": 2})
    assert_silent(simulate(of, filesystem=filesystem))


def test_where_files_share_pages_the_lock_for_that_is_held() -> None:
    of = program({"truncator": ["truncate(file0, 0)"]})
    protocol = "refcount-1-fixed"
    sim = simulate(of, AssociateWithoutShareLock, protocol=protocol, filesystem="xfs", oracles=[UnlockedAccess])
    assert "without dax_share_lock" in trip(sim, "unlocked-access", simple=1, random=0).message
    assert_silent(simulate(of, protocol=protocol, filesystem="xfs"))


def test_a_size_may_be_looked_at_before_the_lock_if_it_is_looked_at_again() -> None:
    assert_silent(simulate(TRUNCATE, SizeBeforeAndAfterLock, oracles=[UnlockedAccess]))


def test_a_size_that_another_call_has_looked_at_decides_nothing() -> None:
    of = program({"puncher": ["fsync(file0)", "fallocate(file0, PUNCH_HOLE, 0, 1)"]})
    assert_silent(simulate(of, SyncLooksAtSize, filesystem="xfs", oracles=[UnlockedAccess]))


def test_a_failed_write_gives_the_copy_back_with_faults_locked_out() -> None:
    of = program(
        {"writer": ["truncate(file2, 0)", "pwrite(file1, 0, file2, 0)"]}, files=THREE, clones={"file1": "file0"}
    )
    said = trip(simulate(of, protocol="pin-wait", filesystem="xfs"), "unlocked-access", simple=1, random=0).message
    assert "takes blocks back from file1.cow_fork without invalidate_lock" in said
    assert_silent(simulate(of, filesystem="xfs"))


def test_a_failed_fault_gives_the_copy_back_with_the_entry_locked() -> None:
    of = program({"mapper": ["store(file1, 0)"], "unbinder": ["unbind()"]}, files=TWO, clones={"file1": "file0"})
    assert_silent(simulate(of, filesystem="xfs"))


class CountUnlocked(Patch):
    """mm: Count the mapping of a page down after the page-table lock is gone."""

    class memory(ProperlyRefcountFsDaxPages.memory):
        async def zap_pte_range(self, tlb: MmuGather, addresses: range, even_cows: bool) -> None:
            (address,) = addresses
            await tlb.mm.ptl(address).acquire()
            pte = await tlb.mm.slots[address].exchange(None)
            await tlb.mm.ptl(address).release()
            if pte is not None:
                page = self.k.pages[pte.pfn]
                tlb.addresses.append(address)
                tlb.pages.append(page)
                await page.mapcount.add(-1)


def test_mappings_are_counted_under_the_lock_of_the_page_table() -> None:
    of = program({"mapper": ["load(file0, 0)", "munmap(file0)"]})
    patched = simulate(of, CountUnlocked, protocol="refcount-0-fixed", oracles=[UnlockedAccess])
    violation = trip(patched, "unlocked-access", simple=1, random=0)
    assert "without ptl" in violation.message
    assert_silent(simulate(of, protocol="refcount-0-fixed"))
