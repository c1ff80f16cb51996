"""inode-count."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.vfs import Vfs
from daxfuzz.oracles.inode_count import InodeCount
from daxfuzz.protocols.patch import Patch
from daxfuzz.sim import Task

UNMAP = program({"mapper": ["store(file0, 0)", "munmap(file0)", "close(file0)"]})
UNLINK = program({"mapper": ["unlink(file0)", "munmap(file0)", "close(file0)"]})


class KeepFiles(Patch):
    """fs: Forget what was put off until the return to user space."""

    class vfs(Vfs):
        async def task_work_run(self, task: Task) -> None:
            self.k.task_works.pop(task.index, None)


class PutTwice(Patch):
    """fs: Drop a second reference of each file."""

    class vfs(Vfs):
        async def iput(self, inode: Inode) -> None:
            await inode.i_count.add_return(-1)
            await inode.i_count.add_return(-1)


def test_a_reference_that_nobody_accounts_for_is_a_finding() -> None:
    violation = trip(simulate(UNMAP, KeepFiles), "inode-count", simple=1, random=0)
    assert "has 3 references, and 1 of them are accounted for" in violation.message


def test_a_count_below_zero_is_a_finding() -> None:
    violation = trip(simulate(UNLINK, PutTwice, oracles=[InodeCount]), "inode-count", simple=1, random=0)
    assert "which has none" in violation.message


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
def test_files_that_are_unmapped_and_unlinked_are_accounted_for(filesystem: str) -> None:
    for of in (UNMAP, UNLINK):
        assert_silent(simulate(of, filesystem=filesystem))
