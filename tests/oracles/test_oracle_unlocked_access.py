"""unlocked-access."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.dax_writeback import DaxWriteback
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.fuse_dax import FuseDax
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.memory import Fault, Memory, VmFault
from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.xarray import XaState
from daxfuzz.oracles.unlocked_access import UnlockedAccess
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch

FAULT = program({"mapper": ["store(file0, 0)"]}, prefault=False)
SYNC = program({"syncer": ["store(file0, 0)", "fsync(file0)"]})
TRUNCATE = program({"truncator": ["truncate(file0, 0)"]})
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


@pytest.mark.parametrize(
    ("of", "filesystem", "patch", "said"),
    [
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
