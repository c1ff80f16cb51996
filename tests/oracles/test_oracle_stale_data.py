"""stale-data."""

from __future__ import annotations

import pytest
from oracle_kit import LIMIT, assert_silent, ordered, program, simulate, trip

from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fork import Fork
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.kernel.mm import Mm, Vma
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.tlb import TlbFlush
from daxfuzz.kernel.xarray import XaState
from daxfuzz.oracles.histories import Histories
from daxfuzz.oracles.stale_data import StaleData
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch
from daxfuzz.sim import Scheduler, Stepper
from daxfuzz.triage.bench import verdict

# A call begins when the one before it ends, so loads of another page are there to let those that count begin late.
RACE = program(
    {"writer": ["store(file0, 0)"], "mapper": ["store(file0, 0)"], "reader": ["load(file0, 1)", "load(file0, 0)"]},
    files={"file0": 2},
    mms={"mm0": ("writer", "mapper", "reader")},
    prefault=False,
)
PUNCH = program(
    {
        "mapper": ["store(file0, 0)", "load(file0, 1)", "load(file0, 0)"],
        "truncator": ["load(file0, 1)", "fallocate(file0, PUNCH_HOLE, 0, 1)"],
    },
    files={"file0": 2},
)
REMAP = program(
    {
        "mapper": ["store(file0, 0)", "munmap(file0)", "mmap(file0)", *["load(file0, 0)", "load(file0, 1)"] * 2],
        "truncator": ["load(file0, 1)", "fsync(file0)", "fallocate(file0, PUNCH_HOLE, 0, 1)"],
    },
    files={"file0": 2},
)
DMA = program(
    {
        "pinner": ["r0 = pin_user_pages(file0, 0)", "dma_write(r0)", "load(file0, 0)", "unpin_user_pages(r0)"],
        "mapper": ["store(file0, 0)", "load(file0, 0)"],
    }
)
TRUNCATED = program({"mapper": ["store(file0, 0)", "load(file0, 0)"], "truncator": ["truncate(file0, 0)"]})


class ZeroAfterMapping(Patch):
    """ext4: Zero new blocks only after they have been mapped."""

    class dax_fault(DaxFault):
        async def dax_fault_iter(self, vmf: Fault, xas: XaState, entry: Entry, iomap: Iomap) -> tuple[VmFault, Entry]:
            result = await super().dax_fault_iter(vmf, xas, entry, iomap)
            if iomap.new and iomap.pfn is not None:
                await self.k.blocks[iomap.pfn].zero()
            return result


class NoFlush(Patch):
    """x86: Do not flush the TLB."""

    class tlb(TlbFlush):
        async def flush_tlb_mm_range(self, mm: Mm, addresses: list[int]) -> None:
            return


class ShareThePinned(Patch):
    """fork: Share pages that are pinned, too."""

    class fork(Fork):
        async def page_needs_cow_for_dma(self, page: Page, vma: Vma) -> bool:
            return False


class NoZeroing(Patch):
    """ext4: Do not zero new blocks."""

    class ext4(Ext4):
        async def ext4_map_blocks_create(self, inode: Inode, index: int, pages: int) -> Iomap | None:
            await inode.i_data_sem.down_write()
            pfn = await inode.extents[index].read()
            if pfn is None:
                pfn = await self.k.allocator.allocate(inode.number, index)
                await inode.extents[index].write(pfn)
            await inode.i_data_sem.up_write()
            return None if pfn is None else Iomap(pfn, True)


class FaultWithoutInvalidateLock(Patch):
    """ext4: Faults do not exclude truncation."""

    class ext4(Ext4):
        async def ext4_dax_huge_fault(self, vmf: Fault) -> VmFault:
            return await self.k.dax_fault.dax_iomap_pte_fault(vmf)


def test_a_write_that_is_lost_is_stale_data_to_who_reads_after_it() -> None:
    execution = ordered(
        simulate(RACE, ZeroAfterMapping),
        "writer:vmf_insert_mixed.unlock < mapper:access.read",
        "mapper:access.store < writer:dax_fault_iter.store",
        "writer:dax_fault_iter.store < reader:access.read",
        "reader:access.load#2 < writer:access.store",
    )
    violation = verdict(execution)
    assert violation is not None
    assert violation.kind == "stale-data"
    assert violation.message == "reader reads 0 from file0[0], which was overwritten before"


def test_a_read_through_a_translation_of_the_block_before_the_hole_is_stale_data() -> None:
    sim = simulate(PUNCH, NoFlush, oracles=[StaleData])
    assert trip(sim, "stale-data", random=0).message.startswith("mapper reads 1000")


def test_a_load_right_after_a_store_begins_with_its_own_first_step() -> None:
    tasks = {"mapper": ["store(file0, 0)", "load(file0, 0)"], "truncator": ["fallocate(file0, PUNCH_HOLE, 0, 1)"]}
    sim = simulate(program(tasks), NoFlush, oracles=[StaleData])
    order = (
        "mapper:access.store < truncator:ext4_punch_hole.load",
        "truncator:ext4_punch_hole.unlock#2 < mapper:user_space.call#2",
    )
    violation = verdict(ordered(sim, *order))
    assert violation is not None
    assert violation.kind == "stale-data"


def test_what_another_file_left_in_a_block_is_stale_data() -> None:
    tasks = {
        "mapper": ["store(file0, 0)", "truncate(file0, 0)", "fsync(file0)", "store(file1, 0)"],
        "reader": ["load(file1, 0)"],
    }
    of = program(tasks, files={"file0": 1, "file1": 1}, prefault=False)
    sim = simulate(of, NoZeroing)
    trip(sim, "stale-data")
    assert_silent(simulate(of))


def test_a_fault_that_does_not_exclude_truncation_reads_what_is_gone() -> None:
    # The block is found before the hole is made, and mapped after the hole's range was unmapped.
    order = (
        "mapper:access.store < truncator:access.read",
        "truncator:dax_writeback_mapping_range.unlock#2 < mapper:do_munmap.lock",
        "mapper:grab_mapping_entry.unlock < truncator:ext4_punch_hole.lock",
        "truncator:_dax_invalidate_entry.lock < mapper:ext4_map_blocks.lock",
        "truncator:ext4_punch_hole.unlock#2 < mapper:access.load#2",
    )
    # On a kernel whose scan does not wait for the entry that the fault has locked.
    sim = simulate(REMAP, FaultWithoutInvalidateLock, protocol="refcount-1", oracles=[StaleData])
    violation = verdict(ordered(sim, *order))
    assert violation is not None
    assert (violation.kind, violation.message[:17]) == ("stale-data", "mapper reads 1000")


@pytest.mark.parametrize("of", [RACE, PUNCH, REMAP, DMA, TRUNCATED])
def test_reads_return_one_of_the_last_writes(of) -> None:
    assert_silent(simulate(of), random=80)


def test_a_write_under_way_may_or_may_not_be_seen() -> None:
    of = program({"mapper": ["store(file0, 0)"], "reader": ["load(file0, 0)", "load(file0, 0)"]})
    assert_silent(simulate(of))


def test_moved_contents_are_what_some_page_of_the_file_has_had_since() -> None:
    tasks = {"a": ["store(file0, 1)", "store(file0, 1)", "fallocate(file0, COLLAPSE_RANGE, 0, 1)", "load(file0, 0)"]}
    sim = simulate(program(tasks, files={"file0": 2}), oracles=[StaleData])
    Stepper(sim.world).run(Scheduler(), LIMIT)
    histories = Histories.of(sim)
    old, moved, zeroes = 1000, 1001, 0
    assert [histories.current("file0", 0, value, histories.tick()) for value in (old, moved, zeroes)] == [0, 1, 1]


def forked_under(reference: str) -> Program:
    """A device writes to a private page that a child was forked with."""
    parent = ["mmap(file0, MAP_PRIVATE)", f"r0 = {reference}(file0, 0)", "fork(child)", "dma_write(r0)"]
    return program({"parent": parent, "child": ["load(file0, 0)"]})


def test_a_child_may_see_what_a_device_writes_through_a_plain_reference_of_its_parent() -> None:
    assert_silent(simulate(forked_under("get_user_pages"), protocol="refcount-1-fixed"), random=40)


def test_a_child_sees_nothing_of_what_a_device_writes_to_a_pinned_page() -> None:
    of = forked_under("pin_user_pages")
    assert_silent(simulate(of, protocol="refcount-1-fixed"), random=40)
    trip(simulate(of, ShareThePinned, protocol="refcount-1-fixed", oracles=[StaleData]), "stale-data")


@pytest.mark.parametrize("mapping", [(), ("mmap(file0, MAP_PRIVATE)",)])
def test_copies_that_are_moved_on_keep_their_values(mapping) -> None:
    tasks = {
        "a": [
            "store(file1, 0)",
            "reflink(file1, 0, file0, 0, 1)",
            "fallocate(file0, INSERT_RANGE, 0, 1)",
            *mapping,
            "load(file0, 1)",
        ],
        "b": ["load(file1, 0)"],
    }
    of = program(tasks, files={"file0": 2, "file1": 1})
    assert_silent(simulate(of, protocol="refcount-1-fixed", filesystem="xfs"), random=10)


def test_a_device_may_write_to_what_a_file_has_lost_without_a_disk() -> None:
    # No block is freed any more, so nobody has to wait for who uses it.
    calls = ["r0 = pin_user_pages(file0, 0)", "fallocate(file0, PUNCH_HOLE, 0, 1)", "dma_write(r0)", "load(file0, 0)"]
    of = program({"pinner": calls, "unbinder": ["unbind()"]})
    assert_silent(simulate(of, protocol="refcount-1-fixed"))
