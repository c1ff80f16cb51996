"""false-enospc."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.oracles.false_enospc import FalseEnospc
from daxfuzz.protocols.patch import Patch

ALLOCATE = "fallocate(file0, ALLOCATE, 0, 1)"
TWO = {"file0": 1, "file1": 1}


class NeverAllocates(Patch):
    """fs: Say that the device is full, whatever it is."""

    class ext4(Ext4):
        async def ext4_allocate_unwritten(self, inode: Inode, index: int, convert: bool) -> bool:
            return False

    class xfs(Xfs):
        async def xfs_direct_write_iomap_begin(self, inode: Inode, index: int, pages: int) -> Iomap | None:
            return None


@pytest.mark.parametrize(("filesystem", "call"), [("ext4", ALLOCATE), ("xfs", "write(file0, 0)")])
def test_no_space_where_there_has_been_some_all_the_time_is_a_finding(filesystem: str, call: str) -> None:
    of = program({"allocator": ["load(file0, 0)", call]}, prefault=False)
    violation = trip(
        simulate(of, NeverAllocates, protocol="pin-wait", filesystem=filesystem), "false-enospc", simple=1, random=0
    )
    assert violation.message.startswith(f"{call} returns -ENOSPC, and blocks have been free all the time")


def test_the_moment_without_space_has_to_be_in_the_call() -> None:
    before = ["store(file0, 0)", "truncate(file0, 0)", "fsync(file0)"]
    of = program({"allocator": [*before, ALLOCATE]}, prefault=False, spare_blocks=0)
    trip(simulate(of, NeverAllocates, protocol="pin-wait", oracles=[FalseEnospc]), "false-enospc", simple=1, random=0)


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
@pytest.mark.parametrize(
    "tasks",
    [
        {"allocator": ["fallocate(file1, ALLOCATE, 0, 1)"]},
        {"allocator": ["write(file0, 0)"], "other": ["write(file1, 0)"]},
        {"allocator": ["truncate(file0, 0)", "fallocate(file1, ALLOCATE, 0, 1)"]},
    ],
    ids=["full from the start", "full in between", "not durable yet"],
)
def test_of_a_full_device_it_is_true(tasks: dict[str, list[str]], filesystem: str) -> None:
    of = program(tasks, files=TWO, prefault="other" not in tasks, spare_blocks=-1)
    assert_silent(simulate(of, filesystem=filesystem))


def test_of_a_device_that_has_gone_it_is_not_judged() -> None:
    assert_silent(simulate(program({"writer": ["write(file0, 0)"], "unbinder": ["unbind()"]}, prefault=False)))
