"""What the oracles say about blocks that files share."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.fs.xfs_reflink import CowExtent
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.truncate import Truncate
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.repairs.cow_count import FixCowCount
from daxfuzz.protocols.repairs.cow_flushes import FixCowFlushes

TWO = {"file0": 1, "file1": 1}
CLONE = {"file1": "file0"}


def sharing(tasks, clones=CLONE):
    return program(tasks, files=TWO, clones=clones)


def on_xfs(of, *patches, **more):
    return simulate(of, *patches, protocol="refcount-1-fixed", filesystem="xfs", **more)


class CountTwice(Patch):
    """dax: Count every file page of a shared page twice."""

    class dax(FixCowCount.dax):
        async def dax_mapping_set_cow(self, page: Page) -> None:
            await super().dax_mapping_set_cow(page)
            await page.index.write(await page.index.read() + 1)


class NoCopy(Patch):
    """xfs: Write to shared blocks in place."""

    class xfs(Xfs):
        async def xfs_reflink_allocate_cow(self, inode: Inode, index: int, pfn: int | None, pages: int) -> CowExtent:
            return CowExtent(None, pfn, pages)


class EmptyCopy(Patch):
    """dax: Do not copy what a shared block holds."""

    class dax_fault(FixCowFlushes.dax_fault):
        async def dax_iomap_cow_copy(self, source: int, pfn: int) -> bool:
            await self.k.blocks[pfn].write(4)
            return True


class NoUnmap(Patch):
    """xfs: Share blocks without breaking the layouts or flushing the files."""

    class xfs(Xfs):
        async def xfs_break_dax_layouts(self, inode: Inode) -> tuple[int, bool]:
            return 0, False

    class truncate(Truncate):
        async def filemap_write_and_wait_range(self, mapping: AddressSpace, first: int, last: int) -> int:
            return 0


class Unshared(Patch):
    """xfs: Tell nobody that what a write gets is a copy."""

    class xfs(Xfs):
        async def xfs_direct_write_iomap_begin(self, inode: Inode, index: int, pages: int) -> Iomap | None:
            iomap = await super().xfs_direct_write_iomap_begin(inode, index, pages)
            return None if iomap is None else iomap._replace(shared=False)


@pytest.mark.parametrize(
    ("patch", "kind", "tasks", "clones"),
    [
        (CountTwice, "association", {"a": ["load(file0, 0)", "load(file1, 0)"]}, CLONE),
        (NoCopy, "stale-pte", {"a": ["store(file0, 0)"]}, CLONE),
        (EmptyCopy, "stale-data", {"a": ["store(file0, 0)"], "b": ["load(file0, 0)"]}, CLONE),
        (NoUnmap, "stale-pte", {"a": ["store(file0, 0)", "reflink(file0, 0, file1, 0, 1)"]}, {}),
        (
            NoUnmap,
            "dma-corruption",
            {
                "a": [
                    "r0 = pin_user_pages(file0, 0)",
                    "munmap(file0)",
                    "reflink(file0, 0, file1, 0, 1)",
                    "dma_write(r0)",
                ]
            },
            {},
        ),
        (Unshared, "stale-pte", {"a": ["load(file0, 0)", "store(file0, 0)"]}, CLONE),
    ],
)
def test_what_goes_wrong_with_shared_blocks_is_a_finding(patch, kind, tasks, clones) -> None:
    trip(on_xfs(sharing(tasks, clones), patch), kind, simple=200, random=10)


@pytest.mark.parametrize(
    ("tasks", "clones"),
    [
        ({"a": ["store(file0, 0)", "load(file1, 0)"], "b": ["load(file0, 0)", "store(file1, 0)"]}, CLONE),
        ({"a": ["store(file0, 0)"], "b": ["reflink(file0, 0, file1, 0, 1)", "load(file1, 0)"]}, {}),
        (
            {"a": ["r0 = pin_user_pages_fast(file0, 0, READ_ONLY)", "unpin_user_pages(r0)"], "b": ["store(file0, 0)"]},
            CLONE,
        ),
        ({"a": ["dedupe(file0, 0, file1, 0, 1)", "load(file1, 0)"], "b": ["store(file1, 0)"]}, {}),
    ],
)
def test_sharing_as_it_should_be_is_silent(tasks, clones) -> None:
    assert_silent(on_xfs(sharing(tasks, clones)), simple=120, random=15)
