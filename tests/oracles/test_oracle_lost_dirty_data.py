"""lost-dirty-data."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.dax_writeback import DaxWriteback
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.truncate import Truncate
from daxfuzz.oracles.lost_dirty_data import LostDirtyData
from daxfuzz.protocols.patch import Patch

STORED = program({"a": ["store(file0, 0)", "fsync(file0)"]})
ALLOCATED = program({"a": ["store(file0, 0)", "fsync(file0)"]}, prefault=False)
WRITTEN = program({"a": ["write(file0, 0)", "fsync(file0)"], "b": ["load(file0, 0)"]}, prefault=False)
PUNCHED = program(
    {"a": ["store(file0, 0)", "fallocate(file0, PUNCH_HOLE, 0, 1)", "fsync(file0)"], "b": ["fsync(file0)"]},
)
MOVED = program(
    {"a": ["store(file0, 1)", "fallocate(file0, COLLAPSE_RANGE, 0, 1)", "fsync(file0)"], "b": ["store(file0, 0)"]},
    files={"file0": 2},
)


class NoFlush(Patch):
    """dax: Do not flush."""

    class dax_writeback(DaxWriteback):
        async def dax_flush(self, entry: Entry) -> None:
            return


class NoWriteback(Patch):
    """mm: Write nothing back."""

    class truncate(Truncate):
        async def filemap_fdatawrite_range(self, mapping: AddressSpace, first: int, last: int) -> int:
            return 0


class NoCommit(Patch):
    """ext4: fsync writes the data back only."""

    class ext4(Ext4):
        async def ext4_sync_file(self, inode: Inode, first: int, last: int) -> int:
            return await self.k.dax_writeback.dax_writeback_mapping_range(inode.i_mapping, 0, 0)


def test_a_store_that_was_not_flushed_is_lost() -> None:
    assert "a crash leaves 0 in page 0" in trip(simulate(STORED, NoFlush), "lost-dirty-data").message


@pytest.mark.parametrize("of", [STORED, ALLOCATED])
def test_virtio_fs_flushes_what_is_mapped_for_the_host_to_keep(of) -> None:
    sim = simulate(of, NoWriteback, filesystem="fuse", oracles=[LostDirtyData])
    assert "a crash leaves 0 in page 0" in trip(sim, "lost-dirty-data", simple=1, random=0).message
    assert_silent(simulate(of, filesystem="fuse"))


@pytest.mark.parametrize("of", [ALLOCATED, WRITTEN])
def test_a_block_that_no_durable_metadata_leads_to_is_lost(of) -> None:
    assert "a crash leaves 0 in page 0" in trip(simulate(of, NoCommit), "lost-dirty-data").message


def test_a_hole_that_is_not_durable_brings_the_data_back() -> None:
    # The punch itself has flushed what it then removes.
    assert "a crash leaves 1000" in trip(simulate(PUNCHED, NoCommit), "lost-dirty-data").message


REMOVED = {
    mode: program(
        {
            "a": ["store(file0, 0)", "fsync(file0)", "store(file0, 0)", f"fallocate(file0, {mode}, 0, 1)"],
            "b": ["fsync(file0)"],
        },
        files={"file0": 2},
    )
    for mode in ("PUNCH_HOLE", "ZERO_RANGE", "COLLAPSE_RANGE")
}


class DropOnly(Patch):
    """xfs: Drop the page cache of what is removed without writing it back."""

    class xfs(Xfs):
        async def xfs_flush_unmap_range(self, inode: Inode, first: int, last: int) -> int:
            await self.k.truncate.truncate_pagecache_range(inode.i_mapping, first, last)
            return 0


@pytest.mark.parametrize("mode", REMOVED)
def test_what_xfs_is_removing_is_durable_before(mode: str) -> None:
    sim = simulate(REMOVED[mode], DropOnly, protocol="refcount-1-fixed", filesystem="xfs", oracles=[LostDirtyData])
    assert "a crash leaves 1000 in page 0" in trip(sim, "lost-dirty-data").message
    assert_silent(simulate(REMOVED[mode], protocol="refcount-1-fixed", filesystem="xfs"))


@pytest.mark.parametrize("mode", REMOVED)
def test_what_ext4_is_removing_may_be_what_it_was_before_the_store(mode: str) -> None:
    assert_silent(simulate(REMOVED[mode], protocol="refcount-1-fixed"))


@pytest.mark.parametrize("of", [STORED, ALLOCATED, WRITTEN, PUNCHED, MOVED])
def test_what_was_synced_is_durable(of) -> None:
    assert_silent(simulate(of))


def test_a_store_through_map_sync_needs_durable_metadata() -> None:
    # The fault does not commit what it allocates here, as if the mapping were an ordinary one.
    of = program({"a": ["munmap(file0)", "mmap(file0, MAP_SYNC)", "store(file0, 0)"]}, prefault=False)

    class Ordinary(Patch):
        """ext4: No extent is ever dirty."""

        class ext4(Ext4):
            async def ext4_inode_datasync_dirty(self, inode: Inode) -> bool:
                return False

    sim = simulate(of, Ordinary, oracles=[LostDirtyData])
    assert "MAP_SYNC" in trip(sim, "lost-dirty-data", simple=1, random=0).message
    assert_silent(simulate(of, oracles=[LostDirtyData]))
