"""unflushed-data."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.truncate import Truncate
from daxfuzz.oracles.unflushed_data import UnflushedData
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.repairs.cow_flushes import FixCowFlushes

PUNCH = program({"puncher": ["store(file0, 0)", "fallocate(file0, PUNCH_HOLE, 0, 1)"]})
CLONE = program(
    {"cloner": ["store(file0, 0)", "reflink(file0, 0, file1, 0, 1)", "fsync(file1)"]}, files={"file0": 1, "file1": 1}
)
COPY = program(
    {"writer": ["write(file0, 0)", "reflink(file0, 0, file1, 0, 1)", "store(file0, 0)"]}, files={"file0": 1, "file1": 1}
)
FILL = program({"writer": ["write(file0, 0)"]}, prefault=False)
FAULT = program({"mapper": ["store(file0, 0)", "fsync(file0)"]}, prefault=False)
RECLAIM = program({"worker": ["store(file0, 0)", "fuse_dax_free_mem_worker()"]}, window_ranges=1)


class LeaveDirty(Patch):
    """mm: Do not write back what is removed."""

    class truncate(Truncate):
        async def filemap_write_and_wait_range(self, mapping: AddressSpace, first: int, last: int) -> int:
            return 0


class ZeroInCache(Patch):
    """dax: Leave the zeroes of new blocks in the caches of the processor."""

    class dax_device(DaxDevice):
        async def blkdev_issue_zeroout(self, pfn: int) -> bool:
            await self.k.blocks[pfn].write(1)
            return True


class LeaveCopy(Patch):
    """dax: Leave the copy of a shared block in the caches of the processor."""

    class dax_fault(FixCowFlushes.dax_fault):
        async def dax_iomap_cow_copy(self, source: int, pfn: int) -> bool:
            return await DaxFault.dax_iomap_cow_copy(self, source, pfn)


@pytest.mark.parametrize(
    ("of", "patch", "said"),
    [
        (PUNCH, LeaveDirty, "puncher deletes the entry of file0[0], which is not written back"),
        (CLONE, LeaveDirty, "cloner shares block 0, which is not written back"),
        (FILL, ZeroInCache, "file0[0] gets block 0, which is not written back"),
        (COPY, LeaveCopy, "a copy that is not written back"),
    ],
)
def test_what_nobody_will_write_back_is_a_finding(of: Program, patch: type[Patch], said: str) -> None:
    sim = simulate(of, patch, filesystem="xfs", oracles=[UnflushedData])
    assert said in trip(sim, "unflushed-data", simple=1, random=0).message


def test_a_block_with_a_dirty_entry_will_be_written_back() -> None:
    assert_silent(simulate(FAULT, ZeroInCache, filesystem="xfs", oracles=[UnflushedData]))


@pytest.mark.parametrize("of", [PUNCH, CLONE, COPY, FILL, FAULT, RECLAIM])
@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
def test_all_is_written_back(of: Program, filesystem: str) -> None:
    assert_silent(simulate(of, filesystem=filesystem))
