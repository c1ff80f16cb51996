"""ext4: write(2), fallocate, the journal and freezing."""

from __future__ import annotations

import pytest
from kernel_kit import points, run, simulate

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import Unwritten
from daxfuzz.kernel.super import Frozen

THREE = {"file0": 3}


def stores(pages: int) -> list[str]:
    return [f"store(file0, {page})" for page in range(pages)]


def loads(pages: int) -> list[str]:
    return [f"load(file0, {page})" for page in range(pages)]


def test_what_is_written_is_read_through_a_mapping_that_showed_the_hole() -> None:
    sim = simulate({"a": ["load(file0, 0)", "write(file0, 0)", "load(file0, 0)"]}, prefault=False)
    run(sim)
    assert sim.results == [[0, 0, 1001]]


def test_a_write_into_a_block_invalidates_nothing() -> None:
    sim = simulate({"a": ["store(file0, 0)", "write(file0, 0)", "load(file0, 0)"]})
    run(sim)
    assert sim.results == [[1000, 0, 1001]]
    assert sim.kernel.inodes["file0"].i_mapping.i_pages.entries == {0: Entry(0)}


def test_a_write_beyond_the_end_makes_the_file_larger() -> None:
    sim = simulate({"a": ["truncate(file0, 1)", "write(file0, 2)", *loads(3)]}, files=THREE)
    run(sim)
    assert sim.results == [[0, 0, 0, 0, 1001]]
    inode = sim.kernel.inodes["file0"]
    assert (inode.i_size.value, inode.extents[1].value) == (3, None)


def test_a_write_from_a_mapping_of_the_same_file_faults_under_i_rwsem() -> None:
    sim = simulate({"a": ["pwrite(file0, 0, file0, 1)"]}, files={"file0": 2}, prefault=False)
    execution = run(sim)
    steps = points(execution, 0)
    assert sim.results == [[0]]
    fault = steps.index("mm0.mmap_lock.lock")
    assert steps.index("file0.i_rwsem.lock") < fault < steps.index("file0.i_rwsem.unlock")


def test_zero_range_keeps_the_blocks_and_loses_the_data() -> None:
    sim = simulate({"a": [*stores(2), "fallocate(file0, ZERO_RANGE, 1, 1)", *loads(2)]}, files={"file0": 2})
    run(sim)
    assert sim.results == [[1000, 1001, 0, 1000, 0]]
    assert sim.kernel.inodes["file0"].extents[1].value == Unwritten(1)
    assert sim.kernel.allocator.table == [((0, 0),), ((0, 1),), ()]


def test_a_write_converts_an_unwritten_extent() -> None:
    sim = simulate({"a": ["fallocate(file0, ALLOCATE, 0, 1)", "load(file0, 0)", "store(file0, 0)"]}, prefault=False)
    seen = []
    sim.on_end.append(lambda task, call, result: seen.append(sim.kernel.inodes["file0"].extents[0].value))
    run(sim)
    assert seen == [Unwritten(0), Unwritten(0), 0]
    assert sim.results == [[0, 0, 1002]]


@pytest.mark.parametrize(("mode", "size"), [("ALLOCATE", 2), ("KEEP_SIZE", 1)])
def test_allocation_beyond_the_end_changes_the_size_unless_told_not_to(mode, size) -> None:
    calls = ["truncate(file0, 1)", f"fallocate(file0, {mode}, 1, 1)", "load(file0, 1)"]
    sim = simulate({"a": calls}, files={"file0": 2})
    run(sim)
    assert sim.results == [[0, 0, "SIGBUS" if size == 1 else 0]]
    assert sim.kernel.inodes["file0"].i_size.value == size
    assert isinstance(sim.kernel.inodes["file0"].extents[1].value, Unwritten)


def test_collapse_moves_what_follows_to_the_front() -> None:
    sim = simulate({"a": [*stores(3), "fallocate(file0, COLLAPSE_RANGE, 0, 1)", *loads(3)]}, files=THREE)
    run(sim)
    assert sim.results == [[1000, 1001, 1002, 0, 1001, 1002, "SIGBUS"]]
    assert sim.kernel.allocator.table == [(), ((0, 0),), ((0, 1),), ()]


def test_insert_moves_what_follows_to_the_back() -> None:
    calls = [*stores(3), "truncate(file0, 2)", "fallocate(file0, INSERT_RANGE, 0, 1)", *loads(3)]
    sim = simulate({"a": calls}, files=THREE)
    run(sim)
    assert sim.results == [[1000, 1001, 1002, 0, 0, 0, 1000, 1001]]
    assert sim.kernel.allocator.table[:2] == [((0, 1),), ((0, 2),)]


def test_ranges_that_cannot_be_collapsed_or_inserted_are_refused() -> None:
    calls = ["fallocate(file0, COLLAPSE_RANGE, 0, 1)", "fallocate(file0, INSERT_RANGE, 0, 1)"]
    sim = simulate({"a": calls})
    run(sim)
    assert sim.results == [[-22, -27]]


@pytest.mark.parametrize("mode", ["ZERO_RANGE", "COLLAPSE_RANGE"])
def test_a_pin_holds_up_who_moves_or_converts_blocks(mode) -> None:
    tasks = {
        "p": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"],
        "t": [f"fallocate(file0, {mode}, 0, 1)"],
    }
    sim = simulate(tasks, files={"file0": 2})
    held = []
    run(sim, ("p", "gup_folio_next.read"), ("t", ""), lambda: held.append(sim.task("t").asleep))
    assert held == [True]
    assert sim.results == [[0, 0], [0]]


# -- the journal -----------------------------------------------------------------------------------------------------


def test_a_freed_block_is_reused_only_after_the_commit() -> None:
    calls = ["store(file0, 0)", "truncate(file0, 0)", "store(file1, 0)", "fsync(file0)", "store(file2, 0)"]
    sim = simulate({"a": calls}, files={"file0": 1, "file1": 1, "file2": 1}, prefault=False)
    run(sim)
    assert [sim.kernel.inodes[name].extents[0].value for name in ("file1", "file2")] == [1, 0]


def test_a_full_device_gets_blocks_back_from_a_commit() -> None:
    calls = ["truncate(file0, 0)", "truncate(file0, 2)", "store(file0, 0)", "store(file0, 1)"]
    sim = simulate({"a": calls}, files={"file0": 2})
    run(sim)
    assert sim.results == [[0, 0, 1002, 1003]]
    assert sim.kernel.journal.committed == 1


def test_a_commit_waits_for_the_handle_of_a_fault_and_bars_new_ones() -> None:
    tasks = {"m": ["store(file0, 0)"], "s": ["truncate(file1, 0)", "fsync(file1)"], "t": ["truncate(file1, 0)"]}
    sim = simulate(tasks, files={"file0": 1, "file1": 1}, prefault=False)
    blocked = []

    def look() -> None:
        blocked.append([sim.task(name).runnable for name in "st"])

    run(sim, ("m", "grab_mapping_entry.lock"), ("s", ""), ("t", ""), look)
    assert blocked == [[False, False]]
    assert [result[-1] for result in sim.results] == [1000, 0, 0]


# -- freezing --------------------------------------------------------------------------------------------------------


def test_a_frozen_file_system_lets_nobody_change_it_until_it_is_thawed() -> None:
    tasks = {
        "f": ["freeze()", "thaw()"],
        "t": ["truncate(file0, 0)"],
        "m": ["store(file1, 0)"],
        "r": ["load(file1, 0)"],
    }
    sim = simulate(tasks, files={"file0": 1, "file1": 1}, prefault=False)
    seen = []

    def look() -> None:
        seen.append((sim.kernel.sb.frozen.value, list(sim.results[1]), list(sim.results[2]), list(sim.results[3])))

    run(sim, ("f", "user_space.call"), ("f", "+"), ("f", "user_space.call"), ("t", ""), ("m", ""), ("r", ""), look)
    assert seen == [(Frozen.COMPLETE, [], [], [0])]
    assert sim.results == [[0, 0], [0], [3000], [0]]


def test_freezing_waits_for_who_is_inside() -> None:
    sim = simulate({"f": ["freeze()", "freeze()", "thaw()", "thaw()"], "t": ["truncate(file0, 0)"]})
    seen = []
    run(sim, ("t", "ext4_setattr.lock"), ("f", ""), lambda: seen.append(sim.results[0][:]), ("t", ""))
    assert seen == [[]]
    assert sim.results == [[0, -16, 0, -22], [0]]
