"""inode-use."""

from __future__ import annotations

from typing import ClassVar

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.vfs import Vfs
from daxfuzz.oracles.inode_use import InodeUse
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.repairs.lru_pins_inode import FixLruPinsInode

LAST_USER = ["unlink(file0)", "munmap(file0)", "close(file0)"]
FREEZE = program(
    {"mapper": LAST_USER, "freezer": ["freeze()", "thaw()"]}, mms={"mm0": ("mapper",), "mm1": ("freezer",)}
)
RECLAIM = program(
    {"mapper": LAST_USER, "hoarder": ["munmap(file0)", "close(file0)", "load(file1, 0)"]},
    files={"file0": 1, "file1": 1},
    low_memory=True,
)


class EvictAtOnce(Patch):
    """fs: Do not wait for who writes an inode back."""

    replaces: ClassVar = (FixLruPinsInode,)

    class vfs(Vfs):
        async def evict(self, inode: Inode) -> None:
            await self.k.fs.evict_inode(inode)
            await self.destroy_inode(inode)


class SyncFreed(Patch):
    """fs: Write inodes back that are being freed."""

    class vfs(Vfs):
        async def sync_filesystem(self) -> None:
            for inode in self.k.inodes.values():
                await inode.i_sync.acquire()
                await self.writeback_single_inode(inode)
                await inode.i_sync.release()
            await self.k.fs.sync_fs()


@pytest.mark.parametrize("patch", [EvictAtOnce, SyncFreed])
def test_who_works_on_an_inode_that_is_torn_down_is_a_finding(patch: type[Patch]) -> None:
    violation = trip(simulate(FREEZE, patch, oracles=[InodeUse]), "inode-use")
    assert violation.message == "freezer walks over file0.i_pages, while the inode is torn down"


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_who_writes_back_or_reclaims_keeps_the_inode(filesystem: str) -> None:
    for of in (FREEZE, RECLAIM):
        assert_silent(simulate(of, filesystem=filesystem), simple=150, random=10)
