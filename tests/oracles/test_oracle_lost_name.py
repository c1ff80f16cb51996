"""lost-name."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, ordered, program, simulate, trip

from daxfuzz.kernel.vmscan import Vmscan
from daxfuzz.oracles.lost_name import LostName
from daxfuzz.protocols.patch import Patch

TWO = {"file0": 1, "file1": 1}
ALLOCATE = ["munmap(file1)", "mmap(file1)", "load(file1, 0)"]


class PruneInUse(Patch):
    """fs: Drop dentries that are in use."""

    class vmscan(Vmscan):
        async def super_cache_scan(self) -> None:
            for inode in self.k.inodes.values():
                await self.prune_dentry(inode)


def test_a_file_in_use_that_loses_its_name_to_reclaim_is_a_finding() -> None:
    of = program({"allocator": ALLOCATE, "user": ["load(file0, 0)"]}, files=TWO, low_memory=True)
    sim = simulate(of, PruneInUse, filesystem="fuse", oracles=[LostName])
    violation = trip(sim, "lost-name", simple=1, random=0)
    assert violation.message == "allocator takes the name of file0, which is in use"


@pytest.mark.parametrize("user", [["open(file0)"], ["load(file0, 0)", "unlink(file0)"]])
def test_names_of_files_that_nobody_uses_may_go(user: list[str]) -> None:
    of = program({"allocator": ALLOCATE, "user": user}, files=TWO, low_memory=True)
    assert_silent(simulate(of, filesystem="fuse"))


def test_a_file_may_come_into_use_while_its_name_is_taken() -> None:
    of = program({"allocator": ALLOCATE, "user": ["open(file0)"]}, files=TWO, low_memory=True)
    took = "allocator:prune_dentry.write"
    execution = ordered(
        simulate(of, filesystem="fuse"),
        "allocator:super_cache_scan.read < user:igrab.update",
        f"user:igrab.update < {took}",
        f"{took} < user:iput.update",
    )
    assert execution.violation is None
