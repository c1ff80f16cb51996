"""stale-pte."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.memory import Fault, Memory, VmFault
from daxfuzz.kernel.mm import Pte, Vma
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.patch import Patch

DELETE = program({"mapper": ["load(file0, 0)"], "truncator": ["truncate(file0, 0)"]})
FAULT = program({"mapper": ["store(file0, 0)"], "reader": ["load(file0, 0)"]}, prefault=False)


class NoUnmap(Patch):
    """mm: Leave the mappings of truncated pages alone."""

    class memory(Memory):
        async def unmap_mapping_range_vma(self, vma: Vma, first: int, last: int, even_cows: bool) -> None:
            return


class MapBeforeInsert(Patch):
    """dax: Map the page before its entry is in i_pages."""

    class dax_fault(DaxFault):
        async def dax_fault_iter(self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap) -> tuple[VmFault, Entry]:
            if iomap.pfn is not None:
                await self.k.memory.vmf_insert_mixed(vmf, Pte(iomap.pfn, write=vmf.write, dirty=vmf.write))
            return await super().dax_fault_iter(vmf, xas, entry, iomap)


class ForgetExtent(Patch):
    """ext4: Do not note the allocated block in the extent tree."""

    class ext4(Ext4):
        async def ext4_map_blocks_create(self, inode: Inode, index: int, pages: int) -> Iomap | None:
            pfn = await self.k.allocator.allocate(inode.number, index)
            return None if pfn is None else Iomap(pfn, True)


def test_an_entry_deleted_under_a_pte_is_a_finding() -> None:
    violation = trip(simulate(DELETE, NoUnmap), "stale-pte", simple=1, random=0)
    assert violation.message == "file0[0] is deleted while mm0 maps page 0"


def test_a_pte_set_without_an_entry_is_a_finding() -> None:
    violation = trip(simulate(FAULT, MapBeforeInsert), "stale-pte", simple=1, random=0)
    assert violation.message == "page 0 is mapped at file0[0], whose entry is empty|LOCKED"


def test_a_pte_that_disagrees_with_the_extent_map_at_rest_is_a_finding() -> None:
    alone = program({"mapper": ["store(file0, 0)"]}, prefault=False)
    violation = trip(simulate(alone, ForgetExtent), "stale-pte", simple=1, random=0)
    assert violation.message == "mm0 maps pfn 0|W|D at file0[0], whose block is None"


def test_a_zero_page_left_over_a_block_at_rest_is_a_finding() -> None:
    # The write fault replaces the zero entry; the reader of another mm still maps the zero page.
    tasks = {"reader": ["load(file0, 0)"], "mapper": ["store(file0, 0)"]}
    of = program(tasks, prefault=False)
    violation = trip(simulate(of, NoUnmap), "stale-pte", simple=1, random=0)
    assert "zero page" in violation.message
    assert_silent(simulate(of))


@pytest.mark.parametrize("of", [DELETE, FAULT])
def test_page_tables_follow_the_entries(of) -> None:
    assert_silent(simulate(of), random=80)
