"""lost-resource."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.fuse_conn import Dmap
from daxfuzz.kernel.fs.fuse_dax import FuseDax
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.memremap import DevPagemap, Memremap
from daxfuzz.kernel.truncate import Truncate
from daxfuzz.oracles.lost_resource import LostResource
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch

FILES = {"file0": 2, "file1": 2}
TRUNCATE = program({"truncator": ["truncate(file0, 0)"]})
STORE = program({"mapper": ["store(file0, 0)"]}, prefault=False)
REMOVE = program({"remover": ["munmap(file0)", "close(file0)", "unlink(file0)"]})
FAILS = program(
    {"cloner": ["reflink(file0, 0, file1, 0, 2)"], "writer": ["write(file1, 0)"], "mapper": ["store(file1, 0)"]},
    files=FILES,
)
REMOVED = program({"unbinder": ["unbind()"], "truncator": ["truncate(file0, 0)", "unlink(file0)"]})


class KeepBlocks(Patch):
    """ext4: Forget extents without freeing their blocks."""

    class ext4(Ext4):
        async def ext4_remove_space(self, inode: Inode, first: int, last: int) -> None:
            for index in range(first, last + 1):
                await inode.extents[index].exchange(None)


class KeepRequest(Patch):
    """ext4: Zero a block, and leave the request open."""

    class dax_device(DaxDevice):
        async def blkdev_issue_zeroout(self, pfn: int) -> bool:
            return await self.blk_queue_enter()


class KeepEntries(Patch):
    """mm: Leave entries to a file that goes away."""

    class truncate(Truncate):
        async def truncate_inode_pages_final(self, mapping: AddressSpace) -> None:
            return


class KeepFile(Patch):
    """xfs: Queue no files that are gone."""

    class xfs(Xfs):
        async def xfs_inode_mark_reclaimable(self, inode: Inode) -> None:
            return


class KeepRange(Patch):
    """fuse: Take a range from its file, and lose it."""

    class fuse_dax(FuseDax):
        async def dmap_reinit_add_to_free_pool(self, dmap: Dmap) -> None:
            await self._dmap_remove_busy_list(dmap)


class KeepRanges(Patch):
    """fuse: Leave ranges to a file that goes away."""

    class fuse_dax(FuseDax):
        async def fuse_dax_inode_cleanup(self, inode: Inode) -> None:
            return


class KeepPages(Patch):
    """mm: Leave the page structs of a device that goes."""

    class memremap(Memremap):
        async def pageunmap_range(self, pgmap: DevPagemap) -> None:
            return


class KeepUser(Patch):
    """fuse: Do not drop the reference that an iomap has to its range."""

    class fuse_dax(FuseDax):
        async def dmap_put(self, dmap: Dmap) -> None:
            return


@pytest.mark.parametrize(
    ("of", "filesystem", "patch", "said"),
    [
        (TRUNCATE, "ext4", KeepBlocks, "block 0 belongs to [(0, 0)], and [] lead to it"),
        (STORE, "ext4", KeepRequest, "1 requests to the disk never end"),
        (REMOVE, "ext4", KeepEntries, "file0 is gone, and has entries"),
        (REMOVE, "xfs", KeepFile, "file0 is gone, and has blocks"),
        (REMOVE, "fuse", KeepRange, "dmap0 is 0 times free, 0 times busy, and 0 times in a tree"),
        (REMOVED, "ext4", KeepPages, "the device has no driver, but page structs"),
        (REMOVE, "fuse", KeepRanges, "file0 is gone, and has ranges"),
        (STORE, "fuse", KeepUser, "dmap0 has 1 users too many"),
    ],
)
def test_what_never_comes_back_is_a_finding(of: Program, filesystem: str, patch: type[Patch], said: str) -> None:
    sim = simulate(of, patch, protocol="pin-wait", filesystem=filesystem, oracles=[LostResource])
    assert said in trip(sim, "lost-resource", simple=1, random=0).message


@pytest.mark.parametrize(
    ("of", "filesystem"),
    [(REMOVE, "ext4"), (REMOVE, "xfs"), (REMOVE, "fuse"), (FAILS, "xfs"), (REMOVED, "ext4"), (REMOVED, "xfs")],
)
def test_all_is_accounted_for(of: Program, filesystem: str) -> None:
    assert_silent(simulate(of, filesystem=filesystem))
