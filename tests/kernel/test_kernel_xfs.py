"""xfs without sharing: faults, layouts, truncation."""

from __future__ import annotations

import pytest
from kernel_kit import points, run, simulate

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.mm import Pte
from daxfuzz.oracles.registry import attach
from daxfuzz.search import RoundRobin
from daxfuzz.sim import Stepper

XFS = {"filesystem": "xfs"}


def test_a_read_fault_takes_mmaplock_once_more_for_the_pages_around_it() -> None:
    sim = simulate({"a": ["load(file0, 0)"]}, prefault=False, **XFS)
    assert sum("invalidate_lock" in point for point in points(run(sim), 0)) == 6
    sim = simulate({"a": ["store(file0, 0)"]}, prefault=False, **XFS)
    # One fault for a PMD comes first, which falls back.
    assert sum("invalidate_lock" in point for point in points(run(sim), 0)) == 4


def test_a_write_to_a_hole_allocates_a_zeroed_block_under_ilock() -> None:
    sim = simulate({"a": ["store(file0, 2)"]}, files={"file0": 3}, prefault=False, **XFS)
    run(sim)
    kernel = sim.kernel
    assert kernel.mms[0].slots[2].value == Pte(0, write=True, dirty=True)
    assert kernel.allocator.table == [((0, 2),), (), (), ()]
    assert kernel.inodes["file0"].extents[2].value == 0
    assert kernel.inodes["file0"].i_mapping.i_pages.entries == {2: Entry(0)}


@pytest.mark.parametrize("call", ["truncate(file0, 1)", "fallocate(file0, PUNCH_HOLE, 1, 3)"])
def test_blocks_are_freed_with_their_entries(call) -> None:
    sim = simulate({"a": [call]}, files={"file0": 4}, **XFS)
    run(sim)
    inode = sim.kernel.inodes["file0"]
    assert sim.results == [[0]]
    assert sim.kernel.allocator.table == [((0, 0),), (), (), (), ()]
    assert [extent.value for extent in inode.extents] == [0, None, None, None]
    assert list(inode.i_mapping.i_pages.entries) == [0]
    assert inode.i_size.value == (1 if call.startswith("truncate") else 4)


def test_a_punch_frees_two_extents_in_a_transaction() -> None:
    sim = simulate({"a": ["fallocate(file0, PUNCH_HOLE, 0, 4)"]}, files={"file0": 4}, **XFS)
    assert sum("ilock" in point for point in points(run(sim), 0)) == 4


def test_mmaplock_is_free_while_a_layout_break_waits() -> None:
    tasks = {
        "a": ["r0 = pin_user_pages(file0, 0)", "store(file0, 1)", "unpin_user_pages(r0)"],
        "b": ["truncate(file0, 0)"],
    }
    sim = simulate(tasks, files={"file0": 2}, **XFS)
    lock = sim.kernel.inodes["file0"].i_mapping.invalidate_lock
    seen = []
    pinned = (("a", "user_space.call"), ("a", "+"), ("a", "user_space.call"))
    run(sim, *pinned, ("b", ""), lambda: seen.append(lock.writer), ("a", ""), ("b", ""))
    assert seen == [None]
    assert sim.results == [[0, 1001, 0], [0]]
    assert sim.kernel.allocator.table == [(), (), ()]


def test_a_signal_ends_the_wait_for_a_pin() -> None:
    tasks = {"a": ["r0 = pin_user_pages(file0, 0)", "signal(b)"], "b": ["truncate(file0, 0)"]}
    sim = simulate(tasks, **XFS)
    run(sim, ("a", "user_space.call"), ("a", "+"), ("a", "user_space.call"), ("b", ""), ("a", ""), ("b", ""))
    assert sim.results[1] == [-512]
    assert sim.kernel.allocator.table[0] == ((0, 0),)


def test_truncation_and_faults_are_clean() -> None:
    tasks = {
        "a": ["store(file0, 0)", "load(file0, 1)", "fsync(file0)"],
        "b": ["truncate(file0, 0)", "truncate(file0, 2)"],
    }
    sim = simulate(tasks, "refcount-1-fixed", files={"file0": 2}, **XFS)
    attach(sim)
    execution = Stepper(sim.world).run(RoundRobin(), 3_000)
    assert execution.violation is None
    assert execution.deferred == []
