"""PMD entries: how they come, how they go, and how they meet entries of single pages."""

from __future__ import annotations

import pytest
from kernel_kit import BROADCAST, IPI, add_task, huge, points, run, simulate

from daxfuzz.kernel.entry import EMPTY_PMD, ZERO, ZERO_PMD, Entry
from daxfuzz.kernel.machine import Machine
from daxfuzz.kernel.mm import TABLE, Pte
from daxfuzz.kernel.xarray import Mark
from daxfuzz.oracles.registry import attach
from daxfuzz.program.simulation import Simulation

WRITABLE = Pte(0, write=True, dirty=True)
ONE_PMD = {"files": {"file0": 2}}
THREADS = {"mm0": ("a", "b")}


def state(sim: Simulation) -> tuple[object, ...]:
    """(PMD entry, page-table entries, entries of the file)"""
    mm = sim.kernel.mms[0]
    i_pages = sim.kernel.inodes["file0"].i_mapping.i_pages
    return mm.pmds[0].value, [mm.slots[0].value, mm.slots[1].value], dict(i_pages.entries)


# -- faults


def test_a_write_to_a_hole_of_a_pmd_allocates_aligned_blocks_and_maps_them_at_once() -> None:
    sim = simulate({"a": ["store(file0, 1)", "load(file0, 0)"]}, prefault=False, **ONE_PMD)
    attach(sim)
    run(sim)
    kernel = sim.kernel
    mapping = kernel.inodes["file0"].i_mapping
    assert sim.results == [[1000, 0]]
    assert state(sim) == (WRITABLE, [None, None], {0: Entry(0, pmd=True)})
    assert mapping.i_pages.spans == {0: 2}
    assert mapping.i_pages.marks[Mark.DIRTY] == [0]
    assert kernel.allocator.table == [((0, 0),), ((0, 1),), ()]
    assert [page.mapping.value for page in kernel.pages] == [mapping, mapping, None]
    assert [page.index.value for page in kernel.pages[:2]] == [0, 1]


def test_a_read_of_a_hole_of_a_pmd_maps_the_huge_zero_page() -> None:
    sim = simulate({"a": ["load(file0, 1)"]}, prefault=False, **ONE_PMD)
    attach(sim)
    run(sim)
    assert sim.results == [[0]]
    assert state(sim) == (Pte(0, zero=True), [None, None], {0: ZERO_PMD})
    assert sim.kernel.allocator.table == [(), (), ()]


def test_a_write_replaces_the_huge_zero_page_everywhere() -> None:
    tasks = {"a": ["store(file0, 0)"], "b": ["load(file0, 0)", "load(file0, 0)"]}
    sim = simulate(tasks, prefault=False, **ONE_PMD)
    attach(sim)
    seen = []

    def look() -> None:
        seen.append((sim.kernel.mms[1].pmds[0].value, dict(sim.kernel.tlb_of(sim.task("b")).huge)))

    run(sim, ("b", "access.load"), ("b", "+"), look, ("a", ""), look, ("b", ""))
    assert seen == [(Pte(0, zero=True), {0: Pte(0, zero=True)}), (None, {})]
    assert sim.results == [[1000], [0, 1000]]


@pytest.mark.parametrize(
    ("pages", "page", "why"),
    [(1, 0, "beyond the VMA and the file"), (3, 2, "beyond the VMA and the file")],
)
def test_what_a_pmd_does_not_fit_into_is_mapped_by_the_page(pages, page, why) -> None:
    sim = simulate({"a": [f"store(file0, {page})"]}, files={"file0": pages}, prefault=False)
    run(sim)
    kernel = sim.kernel
    assert kernel.mms[0].pmd(page).value is TABLE
    assert kernel.mms[0].slots[page].value == WRITABLE
    assert kernel.inodes["file0"].i_mapping.i_pages.entries == {page: Entry(0)}


def test_a_pmd_that_reaches_beyond_the_end_of_the_file_is_mapped_by_the_page() -> None:
    sim = simulate({"a": ["truncate(file0, 1)", "store(file0, 0)"]}, prefault=False, **ONE_PMD)
    run(sim)
    assert state(sim) == (TABLE, [WRITABLE, None], {0: Entry(0)})


def test_a_fault_in_a_pmd_beyond_the_end_of_the_file_draws_sigbus_with_no_second_try() -> None:
    sim = simulate({"a": ["truncate(file0, 0)", "load(file0, 0)"]}, prefault=False, **ONE_PMD)
    execution = run(sim)
    assert sim.results == [[0, "SIGBUS"]]
    # One for the truncation, one for the fault.
    assert points(execution, 0).count("file0.invalidate_lock.lock") == 2


@pytest.mark.parametrize("taken", [[((9, 0),), (), ()], [(), ((9, 0),), ()]])
def test_blocks_that_are_not_aligned_are_mapped_by_the_page(taken) -> None:
    sim = simulate({"a": ["store(file0, 0)", "store(file0, 1)"]}, prefault=False, **ONE_PMD)
    attach(sim)
    sim.kernel.allocator.table[:] = taken
    sim.world.seal()
    run(sim)
    first, second = (extent.value for extent in sim.kernel.inodes["file0"].extents)
    assert sim.results == [[1000, 1001]]
    assert state(sim) == (
        TABLE,
        [Pte(first, write=True, dirty=True), Pte(second, write=True, dirty=True)],
        {0: Entry(first), 1: Entry(second)},
    )


def test_after_a_fallback_the_empty_pmd_entry_makes_way() -> None:
    sim = simulate({"a": ["store(file0, 1)"]}, prefault=False, **ONE_PMD)
    sim.kernel.allocator.table[:] = [(), ((9, 0),), ()]
    sim.world.seal()
    seen = []
    run(sim, ("a", "handle_pte_fault.read"), lambda: seen.append(state(sim)), ("a", ""))
    # The first half was allocated when the PMD was asked for; between the two faults no lock is held.
    assert seen == [(None, [None, None], {0: EMPTY_PMD})]
    assert sim.results == [[1000]]
    assert state(sim)[2] == {1: Entry(2)}


def test_an_entry_of_a_page_in_the_range_sends_every_fault_there_to_the_page() -> None:
    sim = simulate({"a": ["load(file0, 1)"], "b": ["load(file0, 0)"]}, **ONE_PMD)
    kernel = sim.kernel
    for mm in kernel.mms:
        mm.pmds[0].value = mm.slots[0].value = mm.slots[1].value = None
    sim.world.seal()
    run(sim)
    assert [mm.pmds[0].value for mm in kernel.mms] == [TABLE, TABLE]
    assert kernel.inodes["file0"].i_mapping.i_pages.entries == {0: Entry(0), 1: Entry(1)}


def test_a_page_of_a_pmd_entry_can_be_mapped_alone() -> None:
    sim = huge({"a": ["load(file0, 0)"], "b": ["load(file0, 1)"]})
    attach(sim)
    kernel = sim.kernel
    kernel.mms[1].pmds[0].value = TABLE
    sim.world.seal()
    run(sim)
    # The table is there, so the fault is for a page; the entry is locked as it is, and the other mm maps it whole.
    assert kernel.mms[1].slots[1].value == Pte(1)
    assert kernel.mms[0].pmds[0].value == WRITABLE
    assert state(sim)[2] == {0: Entry(0, pmd=True)}


def test_a_table_that_came_before_the_entry_was_locked_sends_the_pmd_fault_back() -> None:
    sim = huge({"a": ["load(file0, 0)"]})
    attach(sim)
    pmd = sim.kernel.mms[0].pmds[0]
    pmd.value = None
    sim.world.seal()

    def install() -> None:
        pmd.value = TABLE

    run(sim, ("a", "raced_with_pte.read"), install, ("a", ""))
    assert sim.results == [[0]]
    assert state(sim) == (TABLE, [Pte(0), None], {0: Entry(0, pmd=True)})


def test_the_second_of_two_read_faults_on_a_hole_undoes_the_first() -> None:
    tasks = {"a": ["load(file0, 0)"], "b": ["load(file0, 1)"]}
    sim = simulate(tasks, mms=THREADS, prefault=False, **ONE_PMD)
    attach(sim)
    seen: list[object] = []
    # Both have seen no PMD entry; b's fault comes second, falls back and throws the huge zero page away.
    run(
        sim,
        ("a", "ext4_dax_huge_fault.lock"),
        ("b", "ext4_dax_huge_fault.lock"),
        ("a", "access.load"),
        lambda: seen.append(state(sim)),
        ("b", "handle_pte_fault.read"),
        lambda: seen.append(state(sim)),
        ("b", ""),
        lambda: seen.append(state(sim)),
    )
    assert seen == [
        (Pte(0, zero=True), [None, None], {0: ZERO_PMD}),
        (None, [None, None], {0: ZERO_PMD}),
        (TABLE, [None, Pte(0, zero=True)], {1: ZERO}),
    ]
    assert sim.results == [[0], [0]]


def test_a_fault_on_a_page_that_meets_a_pmd_entry_is_tried_again() -> None:
    tasks = {"a": ["store(file0, 0)"], "b": ["store(file0, 1)"]}
    sim = simulate(tasks, mms=THREADS, prefault=False, **ONE_PMD)
    attach(sim)
    allocator = sim.kernel.allocator
    empty = allocator.state()
    allocator.table[:] = [((9, pfn),) for pfn in range(3)]
    sim.world.seal()
    seen: list[object] = []
    # The device is full for b's PMD fault, not for a's, which comes before b's fault on the page.
    run(
        sim,
        ("b", "handle_pte_fault.read"),
        ("b", "+"),
        lambda: allocator.restore(empty),
        ("a", ""),
        lambda: seen.append(state(sim)[:2]),
        ("b", "raced_with_pmd.read"),
        ("b", "dax_unlock_entry.lock"),
        lambda: seen.append(state(sim)[:2]),
        ("b", ""),
    )
    assert seen == [(WRITABLE, [None, None])] * 2
    assert state(sim) == (WRITABLE, [None, None], {0: Entry(0, pmd=True)})
    assert sim.results == [[1000], [2000]]


def test_who_waits_for_a_pmd_entry_that_makes_way_is_woken() -> None:
    tasks = {"a": ["load(file0, 1)"], "b": ["store(file0, 0)"]}
    sim = simulate(tasks, prefault=False, **ONE_PMD)
    attach(sim)
    kernel = sim.kernel
    i_pages = kernel.inodes["file0"].i_mapping.i_pages
    i_pages.entries[0] = ZERO_PMD
    i_pages.spans[0] = 2
    # a maps the page alone, since it has a table; b waits for the PMD entry, which a deletes.
    kernel.mms[0].pmds[0].value = TABLE
    sim.world.seal()
    asleep = []
    run(
        sim,
        ("a", "unmap_mapping_pages.lock"),
        ("b", ""),
        lambda: asleep.append(sim.task("b").asleep),
        ("a", ""),
        ("b", ""),
    )
    assert asleep == [True]
    assert sim.results == [[0], [2000]]
    assert i_pages.spans == {}


# -- removal


@pytest.mark.parametrize("call", ["truncate(file0, 0)", "fallocate(file0, PUNCH_HOLE, 0, 2)"])
@pytest.mark.parametrize("machine", [IPI, BROADCAST], ids=["ipi", "broadcast"])
def test_truncation_takes_a_pmd_and_its_translations(call, machine) -> None:
    sim = huge({"a": ["load(file0, 1)", call]}, machine=machine)
    attach(sim)
    tlb = sim.kernel.mms[0].tlbs[0]
    seen = []
    run(sim, ("a", "access.load"), ("a", "+"), lambda: seen.append(dict(tlb.huge)), ("a", ""))
    assert seen == [{0: WRITABLE}]
    assert tlb.huge == {}
    assert sim.results == [[0, 0]]
    assert state(sim) == (None, [None, None], {})
    assert sim.kernel.allocator.table == [(), (), ()]


def test_a_hole_in_one_half_takes_the_whole_pmd_entry_and_leaves_the_other_block() -> None:
    sim = huge({"a": ["store(file0, 1)", "fallocate(file0, PUNCH_HOLE, 0, 1)", "load(file0, 1)", "load(file0, 0)"]})
    attach(sim)
    run(sim)
    assert sim.results == [[1000, 0, 1000, 0]]
    assert state(sim) == (TABLE, [Pte(0, zero=True), Pte(1)], {0: ZERO, 1: Entry(1)})
    assert sim.kernel.allocator.table == [(), ((0, 1),), ()]


@pytest.mark.parametrize(
    ("pages", "place", "held"), [(1, "_split_huge_pmd.unlock", False), (2, "zap_huge_pmd.unlock", True)]
)
def test_a_pmd_is_flushed_under_its_lock_when_it_is_split_and_by_the_gather_when_it_is_zapped(
    pages, place, held
) -> None:
    sim = huge({"a": ["load(file0, 0)"]})
    mm = sim.kernel.mms[0]
    mapping = sim.kernel.inodes["file0"].i_mapping
    add_task(sim, "u", lambda: sim.kernel.memory.unmap_mapping_pages(mapping, 0, pages))
    seen = []
    run(
        sim,
        ("a", "access.load"),
        ("a", "+"),
        ("u", place),
        lambda: seen.append((mm.pmds[0].value, bool(mm.tlbs[0].huge))),
        ("u", ""),
        lambda: seen.append((mm.pmds[0].value, bool(mm.tlbs[0].huge))),
    )
    assert seen == [(None, held), (None, False)]


def test_munmap_zaps_pmds() -> None:
    sim = huge({"a": ["load(file0, 0)", "munmap(file0)", "load(file0, 0)"]}, pages=3)
    attach(sim)
    run(sim)
    assert sim.results == [[0, 0, "SIGSEGV"]]
    assert [pmd.value for pmd in sim.kernel.mms[0].pmds.values()] == [None, None]


# -- writeback


def test_writeback_makes_a_pmd_invalid_while_it_flushes_and_never_none() -> None:
    tasks = {"a": ["store(file0, 1)"], "s": ["fsync(file0)"]}
    sim = huge(tasks)
    attach(sim)
    mm = sim.kernel.mms[0]
    seen: list[object] = []

    def look() -> None:
        seen.append((mm.pmds[0].value, bool(mm.tlbs[0].huge)))

    run(
        sim,
        ("a", "access.store"),
        ("a", "+"),
        ("s", "flush_tlb_mm_range.send_ipi"),
        look,
        ("s", "dax_flush.load"),
        look,
        ("s", ""),
    )
    assert seen == [
        (Pte(0, write=True, dirty=True, invalid=True), True),
        (Pte(0), False),
    ]
    i_pages = sim.kernel.inodes["file0"].i_mapping.i_pages
    assert i_pages.marks == {Mark.DIRTY: [], Mark.TOWRITE: []}
    assert not i_pages.entries[0].locked


def test_a_store_after_writeback_makes_the_pmd_writable_again() -> None:
    sim = huge({"a": ["store(file0, 1)", "fsync(file0)", "store(file0, 0)"]})
    attach(sim)
    run(sim)
    assert state(sim) == (WRITABLE, [None, None], {0: Entry(0, pmd=True)})
    assert sim.kernel.inodes["file0"].i_mapping.i_pages.marks[Mark.DIRTY] == [0]
    assert sim.results == [[1000, 0, 1002]]


def test_writeback_finds_pages_of_a_pmd_entry_that_are_mapped_alone() -> None:
    sim = huge({"a": ["store(file0, 1)"], "s": ["fsync(file0)"]})
    mm = sim.kernel.mms[0]
    mm.pmds[0].value = TABLE
    mm.slots[0].value = WRITABLE
    sim.world.seal()
    run(sim, ("a", ""), ("s", ""))
    assert (mm.slots[0].value, mm.slots[1].value) == (Pte(0), Pte(1))


# -- translations


def test_a_translation_of_a_pmd_serves_all_of_its_pages() -> None:
    sim = huge({"a": ["load(file0, 0)", "load(file0, 1)"]})
    assert points(run(sim), 0).count("mm0.pmd0.0.read") == 1


def test_a_flush_of_any_page_drops_the_translation_of_its_pmd() -> None:
    sim = huge({"a": ["load(file0, 0)"]}, pages=4, machine=Machine(pmd_pages=4))
    tlb = sim.kernel.mms[0].tlbs[0]
    tlb.fill_huge(1, WRITABLE)
    assert tlb.lookup(3) == Pte(3, write=True, dirty=True)
    assert tlb.maps(3)
    assert not tlb.maps(4)
    tlb.drop([2])
    assert tlb.lookup(0) is None
