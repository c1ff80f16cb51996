"""beyond-end."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.truncate import Truncate
from daxfuzz.oracles.beyond_end import BeyondEnd
from daxfuzz.protocols.patch import Patch

FILES = {"file0": 2}
SHRINK = program({"truncator": ["truncate(file0, 1)"], "mapper": ["store(file0, 1)"]}, files=FILES)
PRIVATE = program(
    {"owner": ["mmap(file0, MAP_PRIVATE)", "store(file0, 1)", "truncate(file0, 1)", "truncate(file0, 2)"]}, files=FILES
)


class LeaveEntries(Patch):
    """mm: Leave the page cache behind the end."""

    class truncate(Truncate):
        async def truncate_pagecache(self, mapping: AddressSpace, size: int) -> None:
            return


class LeaveCopies(Patch):
    """mm: Leave private copies behind the end."""

    class truncate(Truncate):
        async def truncate_pagecache(self, mapping: AddressSpace, size: int) -> None:
            await self.truncate_pagecache_range(mapping, size, len(mapping.host.extents) - 1)


class LeaveCowBlocks(Patch):
    """xfs: Never remap nor free what is in CoW forks."""

    class xfs(Xfs):
        async def xfs_reflink_cancel_cow_blocks(self, inode: Inode, first: int, last: int) -> None:
            return

        async def xfs_reflink_end_cow(self, inode: Inode, first: int, last: int) -> None:
            return


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
def test_an_entry_behind_the_end_is_a_finding(filesystem: str) -> None:
    sim = simulate(SHRINK, LeaveEntries, filesystem=filesystem, oracles=[BeyondEnd])
    assert "truncator leaves an entry at file0[1], behind the end" in trip(sim, "beyond-end").message


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
def test_a_private_copy_behind_the_end_is_a_finding(filesystem: str) -> None:
    sim = simulate(PRIVATE, LeaveCopies, filesystem=filesystem, oracles=[BeyondEnd])
    assert "maps file0[1], which is behind the end" in trip(sim, "beyond-end", simple=1, random=0).message


def test_a_block_of_the_cow_fork_behind_the_end_is_a_finding() -> None:
    of = program(
        {"truncator": ["truncate(file1, 0)"], "mapper": ["store(file1, 0)"]},
        files={"file0": 1, "file1": 1},
        clones={"file1": "file0"},
    )
    sim = simulate(of, LeaveCowBlocks, filesystem="xfs", oracles=[BeyondEnd])
    said = "truncator leaves a block in the CoW fork of file1, behind the end"
    assert said in trip(sim, "beyond-end").message


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
@pytest.mark.parametrize("of", [SHRINK, PRIVATE])
def test_truncation_leaves_nothing_behind_the_end(of, filesystem: str) -> None:
    assert_silent(simulate(of, filesystem=filesystem))
