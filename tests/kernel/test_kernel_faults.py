"""Faults: what a task finds, and what it leaves in the page table, in i_pages and on the device."""

from __future__ import annotations

import pytest
from kernel_kit import run, simulate

from daxfuzz.kernel.entry import ZERO, Entry
from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.xarray import Mark

WRITABLE = Pte(0, write=True, dirty=True)


def test_a_read_of_a_hole_maps_the_zero_page() -> None:
    sim = simulate({"a": ["load(file0, 0)"]}, prefault=False)
    run(sim)
    kernel = sim.kernel
    i_pages = kernel.inodes["file0"].i_mapping.i_pages
    assert sim.results == [[0]]
    assert kernel.mms[0].slots[0].value == Pte(0, zero=True)
    assert i_pages.entries == {0: ZERO}
    # In v6.0 also a read makes the entry dirty.
    assert i_pages.marks[Mark.DIRTY] == [0]
    assert kernel.allocator.table == [(), ()]
    assert kernel.pages[0].mapping.value is None


def test_a_write_to_a_hole_allocates_a_zeroed_block() -> None:
    # A PMD does not fit into the rest of the file.
    sim = simulate({"a": ["store(file0, 2)"]}, files={"file0": 3}, prefault=False)
    run(sim)
    kernel = sim.kernel
    mapping = kernel.inodes["file0"].i_mapping
    assert sim.results == [[1000]]
    assert kernel.mms[0].slots[2].value == WRITABLE
    assert kernel.mms[0].slots[0].value is None
    assert mapping.i_pages.entries == {2: Entry(0)}
    assert kernel.allocator.table == [((0, 2),), (), (), ()]
    assert (kernel.pages[0].mapping.value, kernel.pages[0].index.value) == (mapping, 2)
    assert kernel.inodes["file0"].extents[2].value == 0


def test_a_write_replaces_the_zero_page_everywhere() -> None:
    tasks = {"a": ["store(file0, 0)"], "b": ["load(file0, 0)", "load(file0, 0)"]}
    sim = simulate(tasks, prefault=False)
    b = sim.task("b")
    seen = []

    def look() -> None:
        seen.append((sim.kernel.mms[1].slots[0].value, dict(sim.kernel.tlb_of(b).entries)))

    run(sim, ("b", "access.load"), ("b", "+"), look, ("a", ""), look, ("b", ""))
    assert seen == [(Pte(0, zero=True), {0: Pte(0, zero=True)}), (None, {})]
    assert sim.results == [[1000], [0, 1000]]


def test_a_flush_write_protects_and_the_next_write_makes_it_writable_again() -> None:
    sim = simulate({"a": ["fsync(file0)", "store(file0, 0)"]})
    i_pages = sim.kernel.inodes["file0"].i_mapping.i_pages
    slot = sim.kernel.mms[0].slots[0]
    seen = []
    # Nobody has a translation yet, so the store begins with a walk of the page table.
    run(sim, ("a", "walk.read"), lambda: seen.append((slot.value, list(i_pages.marks[Mark.DIRTY]))))
    assert sim.results == [[0, 1001]]
    assert seen == [(Pte(0), [])]
    assert slot.value == WRITABLE
    assert i_pages.marks == {Mark.DIRTY: [0], Mark.TOWRITE: []}


def test_a_write_fault_on_a_read_only_entry_keeps_the_block() -> None:
    sim = simulate({"a": ["fsync(file0)", "store(file0, 0)"]})
    run(sim)
    assert sim.kernel.allocator.table == [((0, 0),), ()]
    assert sim.kernel.inodes["file0"].i_mapping.i_pages.entries == {0: Entry(0)}


@pytest.mark.parametrize("access", ["load", "store"])
def test_an_access_beyond_the_end_of_the_file_draws_sigbus_and_ends_the_task(access) -> None:
    sim = simulate({"a": ["truncate(file0, 0)", f"{access}(file0, 0)", "fsync(file0)"]})
    run(sim)
    assert sim.results == [[0, "SIGBUS"]]
    assert sim.kernel.inodes["file0"].i_mapping.i_pages.entries == {}


def test_an_access_without_a_mapping_draws_sigsegv() -> None:
    sim = simulate({"a": ["munmap(file0)", "load(file0, 0)", "fsync(file0)"]})
    run(sim)
    assert sim.results == [[0, "SIGSEGV"]]


@pytest.mark.parametrize(("access", "result"), [("load", 0), ("store", "SIGBUS")])
def test_a_full_device_refuses_writes_to_holes_only(access, result) -> None:
    sim = simulate({"a": [f"{access}(file0, 0)"]}, prefault=False)
    sim.kernel.allocator.table[:] = [((9, 0),), ((9, 1),)]
    sim.world.seal()
    run(sim)
    assert sim.results == [[result]]
    i_pages = sim.kernel.inodes["file0"].i_mapping.i_pages
    # After an error the empty entry stays, unlocked.
    assert not any(entry.locked for entry in i_pages.entries.values())
    assert list(i_pages.entries) == [0]


def test_a_dead_device_draws_sigbus() -> None:
    sim = simulate({"a": ["store(file0, 0)"]}, prefault=False)
    sim.kernel.dax_alive.value = False
    sim.world.seal()
    run(sim)
    assert sim.results == [["SIGBUS"]]


def test_two_faults_on_one_hole_share_the_block() -> None:
    sim = simulate({"a": ["store(file0, 0)"], "b": ["store(file0, 0)"]}, prefault=False)
    run(sim, ("a", "ext4_mb_new_blocks.allocate"), ("b", ""), ("a", ""))
    assert sim.kernel.allocator.table == [((0, 0),), ()]
    assert [mm.slots[0].value for mm in sim.kernel.mms] == [WRITABLE, WRITABLE]


def test_a_fault_that_finds_the_entry_set_meanwhile_leaves_it() -> None:
    tasks = {"a": ["load(file0, 0)"], "b": ["store(file0, 0)"]}
    sim = simulate(tasks, mms={"mm0": ("a", "b")}, prefault=False)
    # Both have seen no page-table entry; the write comes first.
    run(sim, ("a", "ext4_dax_huge_fault.lock"), ("b", "handle_mm_fault.read"), ("b", ""), ("a", ""))
    assert sim.results == [[1000 * 2], [2000]]
    assert sim.kernel.mms[0].slots[0].value == WRITABLE


def test_faults_run_beside_each_other_but_not_beside_truncation() -> None:
    sim = simulate(
        {"a": ["load(file0, 0)"], "b": ["load(file0, 2)"], "t": ["truncate(file0, 0)"]},
        files={"file0": 4},
        prefault=False,
    )
    blocked = []
    run(
        sim,
        ("a", "ext4_map_blocks.lock"),
        ("b", "ext4_map_blocks.lock"),
        ("t", ""),
        lambda: blocked.append(getattr(sim.task("t").blocked_on, "lock_class", "")),
    )
    assert blocked == ["invalidate_lock"]
    assert sim.results == [[0], [0], [0]]
