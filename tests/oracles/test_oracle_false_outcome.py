"""false-outcome."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.errno import EFBIG, EINVAL
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.truncate import Truncate
from daxfuzz.oracles.false_outcome import FalseOutcome
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.refcount_zero.pre_remove import IntroducePreRemove

FILES = {"file0": 3}
COLLAPSE = program({"collapser": ["fallocate(file0, COLLAPSE_RANGE, 0, 1)"]}, files=FILES)
COLLAPSE_ALL = program({"collapser": ["fallocate(file0, COLLAPSE_RANGE, 0, 3)"]}, files=FILES)
INSERT = program({"inserter": ["truncate(file0, 1)", "fallocate(file0, INSERT_RANGE, 0, 1)"]}, files=FILES)
INSERT_BEHIND = program({"inserter": ["truncate(file0, 1)", "fallocate(file0, INSERT_RANGE, 1, 1)"]}, files=FILES)
PUNCH = program({"puncher": ["fallocate(file0, PUNCH_HOLE, 0, 1)"]}, files=FILES)
PUNCH_ALL = program({"puncher": ["fallocate(file0, PUNCH_HOLE, 0, 3)"]}, files=FILES)
ALLOCATE = program({"allocator": ["fallocate(file0, ALLOCATE, 0, 1)"]}, files=FILES, prefault=False)
GROW = program({"allocator": ["truncate(file0, 1)", "fallocate(file0, ALLOCATE, 0, 2)"]}, files=FILES)
RECLAIM = program({"worker": ["fuse_dax_free_mem_worker()"]}, window_ranges=1)
RACE = program(
    {
        "changer": ["fallocate(file0, COLLAPSE_RANGE, 0, 1)", "fallocate(file0, INSERT_RANGE, 0, 1)"],
        "other": ["truncate(file0, 1)", "fallocate(file0, ZERO_RANGE, 0, 2)"],
        "puncher": ["fallocate(file0, PUNCH_HOLE, 0, 2)", "fallocate(file0, ALLOCATE, 1, 2)"],
    },
    files=FILES,
)


class NeverCollapse(Patch):
    """ext4: Say that nothing is behind the range."""

    class ext4(Ext4):
        async def ext4_collapse_range(self, inode: Inode, first: int, length: int) -> int:
            return -EINVAL


class AlwaysCollapse(Patch):
    """ext4: Say that all went well."""

    class ext4(Ext4):
        async def ext4_collapse_range(self, inode: Inode, first: int, length: int) -> int:
            return 0


class NeverInsert(Patch):
    """ext4: Say that the file would be too large."""

    class ext4(Ext4):
        async def ext4_insert_range(self, inode: Inode, first: int, length: int) -> int:
            return -EFBIG


class AlwaysInsert(Patch):
    """ext4: Say that all went well."""

    class ext4(Ext4):
        async def ext4_insert_range(self, inode: Inode, first: int, length: int) -> int:
            return 0


class NeverPunch(Patch):
    """ext4: Leave the blocks."""

    class ext4(Ext4):
        async def ext4_punch_hole(self, inode: Inode, first: int, length: int) -> int:
            return 0


class PunchTwo(Patch):
    """xfs: Free what one transaction can."""

    class xfs(Xfs):
        async def xfs_free_file_space(self, inode: Inode, first: int, last: int) -> None:
            await self.xfs_unmap_extent(inode, first, last)


class NeverAllocate(Patch):
    """ext4: Allocate nothing."""

    class ext4(Ext4):
        async def ext4_allocate_unwritten(self, inode: Inode, index: int, convert: bool) -> bool:
            return True


class NeverGrow(Patch):
    """ext4: Leave the size."""

    class ext4(Ext4):
        async def ext4_do_fallocate(self, inode: Inode, first: int, length: int, keep_size: bool) -> int:
            return await super().ext4_do_fallocate(inode, first, length, True)


class LeaveDirty(Patch):
    """mm: Do not write back."""

    class truncate(Truncate):
        async def filemap_fdatawrite_range(self, mapping: AddressSpace, first: int, last: int) -> int:
            return 0


@pytest.mark.parametrize(
    ("of", "filesystem", "patch", "said"),
    [
        (COLLAPSE, "ext4", NeverCollapse, "fallocate(file0, COLLAPSE_RANGE, 0, 1) of collapser returns -EINVAL"),
        (COLLAPSE_ALL, "ext4", AlwaysCollapse, "fallocate(file0, COLLAPSE_RANGE, 0, 3) of collapser returns 0"),
        (INSERT, "ext4", NeverInsert, "fallocate(file0, INSERT_RANGE, 0, 1) of inserter returns -EFBIG"),
        (INSERT_BEHIND, "ext4", AlwaysInsert, "fallocate(file0, INSERT_RANGE, 1, 1) of inserter returns 0"),
        (PUNCH, "ext4", NeverPunch, "fallocate(file0, PUNCH_HOLE, 0, 1) of puncher returns 0"),
        (PUNCH_ALL, "xfs", PunchTwo, "fallocate(file0, PUNCH_HOLE, 0, 3) of puncher returns 0"),
        (ALLOCATE, "ext4", NeverAllocate, "fallocate(file0, ALLOCATE, 0, 1) of allocator returns 0"),
        (GROW, "ext4", NeverGrow, "fallocate(file0, ALLOCATE, 0, 2) of allocator returns 0"),
        (RECLAIM, "fuse", LeaveDirty, "fuse_dax_free_mem_worker() of worker returns -EBUSY"),
    ],
)
def test_a_call_that_says_what_is_not_so_is_a_finding(
    of: Program, filesystem: str, patch: type[Patch], said: str
) -> None:
    sim = simulate(of, patch, filesystem=filesystem, oracles=[FalseOutcome])
    assert said in trip(sim, "false-outcome", simple=1, random=0).message


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
def test_calls_that_run_into_each_other_are_judged_by_what_was_so_meanwhile(filesystem: str) -> None:
    assert_silent(simulate(RACE, filesystem=filesystem))


@pytest.mark.parametrize("of", [COLLAPSE, COLLAPSE_ALL, INSERT, INSERT_BEHIND, PUNCH_ALL, GROW, RECLAIM])
@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
def test_what_calls_say_is_so(of: Program, filesystem: str) -> None:
    assert_silent(simulate(of, filesystem=filesystem))


class GoOn(Patch):
    """xfs: Do not look whether the file system is shut down."""

    class xfs(IntroducePreRemove.xfs):
        async def xfs_is_shutdown(self) -> bool:
            return False


@pytest.mark.parametrize("call", ["truncate(file0, 1)", "fallocate(file0, PUNCH_HOLE, 0, 1)"])
def test_of_what_is_shut_down_nothing_changes(call: str) -> None:
    of = program({"unbinder": ["unbind()", call]}, files=FILES)
    violation = trip(
        simulate(of, GoOn, protocol="refcount-0-fixed", filesystem="xfs", oracles=[FalseOutcome]), "false-outcome"
    )
    assert "and the file system is shut down" in violation.message
    assert_silent(simulate(of, protocol="refcount-0-fixed", filesystem="xfs"))
