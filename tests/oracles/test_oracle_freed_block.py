"""freed-while-pinned, freed-while-referenced, freed-while-mapped, stale-tlb."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.machine import TlbMode
from daxfuzz.kernel.mm import Mm
from daxfuzz.kernel.tlb import TlbFlush
from daxfuzz.protocols.patch import Patch

GET = program({"getter": ["r0 = get_user_pages(file0, 0)", "put_page(r0)"], "truncator": ["truncate(file0, 0)"]})
KEPT = program({"getter": ["r0 = get_user_pages(file0, 0)"], "truncator": ["truncate(file0, 0)"]})
MUNMAP = program(
    {
        "pinner": ["r0 = pin_user_pages_fast(file0, 0)", "munmap(file0)", "unpin_user_pages(r0)"],
        "truncator": ["truncate(file0, 0)"],
    }
)
LOAD = program({"mapper": ["load(file0, 0)"], "truncator": ["fallocate(file0, PUNCH_HOLE, 0, 1)"]})
STORE_AND_SYNC = program({"mapper": ["store(file0, 0)", "fsync(file0)"], "truncator": ["truncate(file0, 0)"]})
THREADS = {"mm0": ("mapper", "unmapper"), "mm1": ("truncator",)}


class FreeBeforeUnmap(Patch):
    """ext4: Free the blocks before anything is unmapped."""

    class ext4(Ext4):
        async def setattr_size(self, inode: Inode, size: int) -> int:
            await self.ext4_truncate(inode, size)
            return await super().setattr_size(inode, size)


class NoFlush(Patch):
    """x86: Do not flush the TLB."""

    class tlb(TlbFlush):
        async def flush_tlb_mm_range(self, mm: Mm, addresses: list[int]) -> None:
            return


def test_a_block_freed_under_a_plain_reference_is_freed_while_referenced() -> None:
    violation = trip(simulate(GET, protocol="pin-wait"), "freed-while-referenced", random=0)
    assert "getter" in violation.message


def test_a_plain_reference_is_waited_for_where_idle_means_one() -> None:
    for protocol in ("refcount-1", "refcount-1-fixed", "pin-wait-fixed"):
        assert_silent(simulate(GET, protocol=protocol))


@pytest.mark.parametrize("protocol", ["refcount-1", "pin-wait"])
def test_a_block_freed_under_a_pin_is_freed_while_pinned(protocol) -> None:
    violation = trip(simulate(MUNMAP, protocol=protocol), "freed-while-pinned", random=0)
    assert "pinner" in violation.message
    assert violation.function == "ext4_remove_space"


@pytest.mark.parametrize("protocol", ["refcount-1-fixed", "pin-wait-fixed"])
def test_a_pin_that_outlives_its_mapping_is_waited_for_on_fixed_kernels(protocol) -> None:
    assert_silent(simulate(MUNMAP, protocol=protocol))


def test_a_reference_that_a_call_returns_too_late_is_reported_at_its_return() -> None:
    # The block goes while the reference is still in flight: nobody holds it at that moment.
    functions = {
        execution.violation.function
        for execution in executions(simulate(KEPT, protocol="pin-wait"))
        if execution.violation is not None
    }
    assert {"ext4_remove_space", "get_user_pages"} <= functions


def test_a_reference_counts_until_the_call_that_drops_it_takes_its_first_step() -> None:
    sim = simulate(GET, protocol="pin-wait")
    functions = {execution.violation.function for execution in executions(sim) if execution.violation is not None}
    assert "ext4_remove_space" in functions


def test_a_reference_in_flight_that_is_given_back_is_no_finding() -> None:
    fast = program(
        {"getter": ["r0 = get_user_pages_fast(file0, 0)"], "truncator": ["fallocate(file0, PUNCH_HOLE, 0, 1)"]},
        tlb=TlbMode.BROADCAST,
    )
    assert_silent(simulate(fast))


def test_a_block_freed_under_a_pte_is_freed_while_mapped() -> None:
    truncate = program({"mapper": ["load(file0, 0)"], "truncator": ["truncate(file0, 0)"]})
    violation = trip(simulate(truncate, FreeBeforeUnmap), "freed-while-mapped", random=0)
    assert "mm0 maps it" in violation.message
    assert_silent(simulate(truncate))


@pytest.mark.parametrize("tlb", list(TlbMode))
def test_a_block_freed_under_a_translation_is_stale_tlb(tlb) -> None:
    load = program({name: [str(call) for call in calls] for name, calls in LOAD.tasks.items()}, tlb=tlb)
    violation = trip(simulate(load, NoFlush), "stale-tlb", random=0)
    assert violation.message.startswith("block 0 is freed")
    assert_silent(simulate(load))


def test_a_translation_that_a_system_call_brings_back_to_user_space_is_stale_tlb() -> None:
    sim = simulate(STORE_AND_SYNC, NoFlush)
    messages = [e.violation.message for e in executions(sim) if e.violation and e.violation.kind == "stale-tlb"]
    assert any(message.startswith("fsync(file0) returns") for message in messages)
    assert_silent(simulate(STORE_AND_SYNC))


@pytest.mark.parametrize("merge_vmas", [True, False])
def test_a_task_that_flushes_its_own_translation_before_it_returns_is_no_finding(merge_vmas) -> None:
    alone = program(
        {"mapper": ["store(file0, 0)", "munmap(file0)"], "truncator": ["truncate(file0, 0)"]}, merge_vmas=merge_vmas
    )
    assert_silent(simulate(alone, protocol="pin-wait"))


def test_another_thread_can_use_the_translation_that_munmap_flushes_late() -> None:
    tasks = {"mapper": ["store(file0, 0)"], "unmapper": ["munmap(file0)"], "truncator": ["truncate(file0, 0)"]}
    trip(simulate(program(tasks, mms=THREADS), protocol="pin-wait"), "stale-tlb", simple=2_000)
    assert_silent(simulate(program(tasks, mms=THREADS)))
    assert_silent(simulate(program(tasks, mms=THREADS, merge_vmas=False), protocol="pin-wait"))


def test_the_zero_page_is_nobodys_block() -> None:
    hole = program({"mapper": ["load(file0, 0)"], "truncator": ["truncate(file0, 0)"]}, prefault=False)
    assert_silent(simulate(hole))
