"""Private mappings: where copies come from, who keeps them, and what a pin gets."""

from __future__ import annotations

import pytest
from kernel_kit import run, simulate
from oracle_kit import assert_silent, program, trip
from oracle_kit import simulate as watched

from daxfuzz.kernel.entry import EMPTY, Entry
from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.page import COW
from daxfuzz.oracles.livelock import Livelock
from daxfuzz.protocols.repairs.unshare_anon_only import FixUnshareAnonOnly

PRIVATE = "mmap(file0, MAP_PRIVATE)"


def copy(sim, number=0):
    """Entry of the n-th page of memory as a write fault maps it."""
    return Pte(sim.kernel.device_pages + number, write=True, dirty=True)


def state(sim, number=0):
    """(refcount, mapcount, exclusive, allocated) of the n-th page of memory."""
    page = sim.kernel.pages[sim.kernel.device_pages + number]
    used = sim.kernel.free_list.used[number]
    return page.refcount.value, page.mapcount.value, page.anon_exclusive.value, used


def test_programs_without_private_mappings_have_no_pages_of_memory() -> None:
    kernel = simulate({"a": ["store(file0, 0)"], "b": ["fork(a)"]}).kernel
    assert len(kernel.pages) == kernel.device_pages
    assert kernel.free_list.used == []


def test_a_private_read_maps_the_file_read_only() -> None:
    sim = simulate({"a": ["store(file0, 0)"], "b": [PRIVATE, "load(file0, 0)"]})
    run(sim, ("a", ""), ("b", ""))
    assert sim.results == [[1000], [0, 1000]]
    assert sim.kernel.mms[1].slots[0].value == Pte(0)


def test_a_private_write_goes_to_a_copy_and_leaves_the_entry() -> None:
    sim = simulate({"a": ["store(file0, 0)"], "b": [PRIVATE, "store(file0, 0)"], "c": ["load(file0, 0)"]})
    run(sim, ("a", ""), ("b", ""), ("c", ""))
    assert sim.results == [[1000], [0, 2001], [1000]]
    assert sim.kernel.mms[1].slots[0].value == copy(sim)
    assert state(sim) == (1, 1, True, True)
    assert sim.kernel.inodes["file0"].i_mapping.i_pages.entries == {0: Entry(0)}


def test_a_private_write_to_a_hole_allocates_no_block() -> None:
    sim = simulate({"a": [PRIVATE, "store(file0, 0)", "load(file0, 0)"]}, prefault=False)
    run(sim)
    assert sim.results == [[0, 1001, 1001]]
    assert sim.kernel.allocator.table == [(), ()]
    assert sim.kernel.inodes["file0"].i_mapping.i_pages.entries == {0: EMPTY}


@pytest.mark.parametrize("prefault", [True, False])
def test_a_write_after_a_read_copies_without_the_file_system(prefault) -> None:
    sim = simulate({"a": [PRIVATE, "load(file0, 0)", "store(file0, 0)"]}, prefault=prefault)
    execution = run(sim, ("a", "wp_page_copy.lock"))
    assert sim.results == [[0, 0, 1002]]
    assert sim.kernel.mms[0].slots[0].value == copy(sim)
    touched = [repr(step.point) for step in execution.steps()]
    begun = next(number for number, point in enumerate(touched) if "anon_vma" in point and ".read" in point)
    assert any("invalidate_lock" in point for point in touched[:begun])
    assert not any("invalidate_lock" in point for point in touched[begun:])


def test_a_copy_from_user_space_that_loses_its_page_is_given_up() -> None:
    tasks = {"a": [PRIVATE, "load(file0, 0)", "store(file0, 0)"], "t": ["fallocate(file0, PUNCH_HOLE, 0, 1)"]}
    sim = simulate(tasks)
    run(sim, ("a", "alloc_page_vma.rmqueue"), ("t", ""), ("a", ""))
    assert sim.results[0] == [0, 0, 1002]
    assert state(sim) == (1, 1, True, True)


def test_truncation_takes_private_copies_and_a_hole_leaves_them() -> None:
    for call, left in (("truncate(file0, 0)", False), ("fallocate(file0, PUNCH_HOLE, 0, 1)", True)):
        sim = simulate({"a": [PRIVATE, "store(file0, 0)"], "t": [call]})
        run(sim, ("a", ""), ("t", ""))
        assert (sim.kernel.mms[0].slots[0].value == copy(sim)) == left
        assert state(sim)[3] == left


@pytest.mark.parametrize("call", ["madvise(file0, MADV_DONTNEED, 0, 1)", "munmap(file0)", "exit()"])
def test_a_private_copy_goes_with_its_mapping(call) -> None:
    sim = simulate({"a": [PRIVATE, "store(file0, 0)", call]})
    run(sim)
    assert sim.kernel.mms[0].slots[0].value is None
    assert state(sim) == (0, 0, False, False)


def test_a_pinned_copy_outlives_its_mapping() -> None:
    sim = simulate({"a": [PRIVATE, "r0 = pin_user_pages_fast(file0, 0)", "munmap(file0)", "unpin_user_pages(r0)"]})
    seen = []
    gather = ("a", "folio_put_refs.update")
    run(sim, gather, ("a", "+"), ("a", "folio_put_refs.update"), lambda: seen.append(state(sim)))
    assert seen == [(sim.kernel.machine.bias, 0, True, True)]
    assert state(sim) == (0, 0, False, False)


def test_madvise_forgets_a_range_and_leaves_the_file() -> None:
    tasks = {"a": ["store(file0, 1)", "madvise(file0, MADV_DONTNEED, 0, 1)", "load(file0, 1)"]}
    sim = simulate(tasks, files={"file0": 2})
    run(sim)
    slots = sim.kernel.mms[0].slots
    assert (slots[0].value, slots[1].value) == (None, Pte(1, write=True, dirty=True))
    assert set(sim.kernel.inodes["file0"].i_mapping.i_pages.entries) == {0, 1}
    assert sim.results == [[1000, 0, 1000]]


def test_madvise_of_nothing_is_an_error() -> None:
    sim = simulate({"a": ["munmap(file0)", "madvise(file0, MADV_DONTNEED, 0, 1)"]})
    run(sim)
    assert sim.results == [[0, -12]]


@pytest.mark.parametrize("name", ["pin_user_pages", "pin_user_pages_fast"])
def test_a_read_only_pin_gets_the_file_and_a_writing_one_a_copy(name) -> None:
    sim = simulate({"a": [PRIVATE, f"r0 = {name}(file0, 0, READ_ONLY)", f"r1 = {name}(file0, 0)", "dma_write(r0)"]})
    run(sim)
    pages = [reference.page.pfn for (reference,) in sim.registers[0].values()]
    assert pages == [0, sim.kernel.device_pages]
    assert [reference.flags & Foll.WRITE for (reference,) in sim.registers[0].values()] == [0, Foll.WRITE]
    # A device that was given memory to read does not write it.
    assert sim.results == [[0, 0, 0, -22]]


def test_a_longterm_pin_of_a_copy_is_a_matter_of_the_path() -> None:
    fast = "r0 = pin_user_pages_fast(file0, 0, FOLL_LONGTERM)"
    sim = simulate({"a": [PRIVATE, "store(file0, 0)", fast, "r1 = pin_user_pages(file0, 0, FOLL_LONGTERM)"]})
    run(sim)
    assert sim.results == [[0, 1001, 0, -95]]


SHARED_BLOCK = program({"a": ["fsync(file0)", "r0 = pin_user_pages_fast(file0, 0, READ_ONLY)"]})


@pytest.mark.parametrize("protocol", ["refcount-1", "pin-wait"])
def test_a_read_only_pin_of_a_shared_block_never_ends(protocol) -> None:
    for patches, livelock in (((), True), ((FixUnshareAnonOnly,), False)):
        sim = watched(SHARED_BLOCK, *patches, protocol=protocol, oracles=[Livelock])
        sim.kernel.pages[0].mapping.value = COW
        sim.kernel.pages[0].index.value = 2
        sim.world.seal()
        if livelock:
            trip(sim, "livelock", simple=1, random=0)
        else:
            assert_silent(sim)
            assert sim.results == [[0, 0]]


RACES = [
    {"a": [PRIVATE, "load(file0, 0)", "store(file0, 0)", "load(file0, 0)"], "b": ["store(file0, 0)", "fsync(file0)"]},
    {
        "a": [PRIVATE, "store(file0, 0)", "load(file0, 0)"],
        "b": ["fallocate(file0, PUNCH_HOLE, 0, 1)", "load(file0, 0)"],
    },
    {
        "a": [PRIVATE, "store(file0, 0)", "r0 = pin_user_pages_fast(file0, 0)", "dma_write(r0)", "load(file0, 0)"],
        "b": ["truncate(file0, 0)"],
    },
    {"a": [PRIVATE, "store(file0, 0)", "load(file0, 0)"], "b": ["madvise(file0, MADV_DONTNEED, 0, 1)"]},
]


@pytest.mark.parametrize("tasks", RACES)
@pytest.mark.parametrize("threads", [False, True])
def test_copies_are_kept_apart_in_every_order(tasks, threads) -> None:
    mms = {"mm0": ("a", "b")} if threads else None
    assert_silent(watched(program(tasks, mms=mms), protocol="refcount-1-fixed"), simple=200, random=30)
