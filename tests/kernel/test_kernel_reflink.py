"""Files that share blocks on xfs."""

from __future__ import annotations

import pytest
from kernel_kit import run, simulate

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.page import COW
from daxfuzz.kernel.xarray import Mark
from daxfuzz.sim import Access, Point, Signal

FIXED = "refcount-1-fixed"
TWO = {"file0": 1, "file1": 1}
CLONE = {"file1": "file0"}


def sharing(tasks, protocol=FIXED, files=TWO, clones=CLONE, **more):
    return simulate(tasks, protocol, filesystem="xfs", files=files, clones=clones, **more)


def test_clones_start_as_a_reflink_leaves_them() -> None:
    sim = sharing({"a": ["load(file0, 0)", "load(file1, 1)"]}, files={"file0": 1, "file1": 2})
    kernel = sim.kernel
    one, other = kernel.inodes.values()
    assert kernel.allocator.table == [((0, 0), (1, 0)), ((1, 1),), (), ()]
    assert one.i_mapping.i_pages.entries == {0: Entry(0)}
    assert one.i_mapping.i_pages.marks[Mark.DIRTY] == []
    assert other.i_mapping.i_pages.entries == {1: Entry(1)}
    assert [kernel.mms[0].slots[address].value for address in (0, 8)] == [None, None]
    assert kernel.mms[0].slots[9].value == Pte(1, write=True, dirty=True)
    assert one.reflink.value
    assert other.reflink.value


def test_a_file_system_that_cannot_share_gives_each_file_blocks_of_its_own() -> None:
    sim = simulate({"a": ["reflink(file0, 0, file1, 0, 1)", "dedupe(file0, 0, file1, 0, 1)"]}, files=TWO, clones=CLONE)
    run(sim)
    assert sim.results == [[-95, -95]]
    assert sim.kernel.allocator.table == [((0, 0),), ((1, 0),), ()]


def test_a_write_fault_copies_a_shared_block_and_remaps_the_file() -> None:
    sim = sharing({"a": ["load(file0, 0)", "store(file0, 0)", "load(file1, 0)"]})
    sim.kernel.blocks[0].data = 7
    sim.world.seal()
    kernel = sim.kernel
    seen = []
    run(sim, ("a", "dax_iomap_cow_copy.store"), ("a", "+"), lambda: seen.append(kernel.blocks[1].data), ("a", ""))
    inode = kernel.inodes["file0"]
    assert seen == [7]
    assert sim.results == [[7, 1001, 7]]
    assert kernel.allocator.table == [((1, 0),), ((0, 0),), ()]
    assert inode.extents[0].value == 1
    assert inode.cow_fork.blocks == {}
    assert inode.i_mapping.i_pages.entries == {0: Entry(1)}
    assert inode.i_mapping.i_pages.marks == {Mark.DIRTY: [0], Mark.TOWRITE: [0]}


def test_the_writable_entry_is_there_before_the_file_has_the_copy_and_the_lock_until_after() -> None:
    sim = sharing({"a": ["store(file0, 0)"]})
    inode = sim.kernel.inodes["file0"]
    seen = []

    def look() -> None:
        entry = inode.i_mapping.i_pages.entries[0]
        seen.append((sim.kernel.mms[0].slots[0].value, entry, inode.extents[0].value, dict(inode.cow_fork.blocks)))

    run(sim, ("a", "xfs_reflink_end_cow_extent.write"), look, ("a", ""), look)
    writable = Pte(1, write=True, dirty=True)
    assert seen == [(writable, Entry(1, locked=True), 0, {}), (writable, Entry(1), 1, {})]


def test_a_block_that_nobody_else_has_any_more_is_written_in_place() -> None:
    sim = sharing({"a": ["truncate(file1, 0)", "store(file0, 0)"]})
    run(sim)
    assert sim.results == [[0, 1001]]
    assert sim.kernel.allocator.table == [((0, 0),), (), ()]


def test_without_space_for_the_copy_the_fault_fails_and_leaves_no_trace() -> None:
    files = {"file0": 1, "file1": 1}
    sim = sharing({"a": ["store(file0, 0)"]}, files=files)
    sim.kernel.allocator.table[1:] = [((9, 9),), ((9, 9),)]
    sim.world.seal()
    run(sim)
    inode = sim.kernel.inodes["file0"]
    assert sim.results == [["SIGBUS"]]
    assert inode.cow_fork.blocks == {}
    assert inode.i_mapping.i_pages.entries == {0: Entry(0)}
    assert inode.ilock.writer is None


def test_pages_count_the_entries_of_all_files() -> None:
    sim = sharing({"a": ["load(file0, 0)", "load(file1, 0)", "truncate(file0, 0)", "truncate(file1, 0)"]})
    page = sim.kernel.pages[0]
    seen = []

    def look() -> None:
        seen.append((page.mapping.value, page.index.value))

    look()
    following = (("a", "+"), ("a", "user_space.call"), look)
    run(sim, *following, *following, *following, ("a", ""), look)
    assert seen == [(sim.kernel.inodes["file0"].i_mapping, 0), (COW, 1), (COW, 2), (COW, 1), (None, 0)]


def test_reflink_frees_what_the_file_had_and_keeps_the_entries_of_the_source() -> None:
    sim = sharing({"a": ["store(file0, 0)", "reflink(file0, 0, file1, 0, 1)", "load(file1, 0)"]}, clones={})
    kernel = sim.kernel
    run(sim)
    one, other = kernel.inodes.values()
    assert sim.results == [[1000, 0, 1000]]
    assert kernel.allocator.table == [((0, 0), (1, 0)), (), ()]
    assert one.i_mapping.i_pages.entries == {0: Entry(0)}
    assert kernel.mms[0].slots[0].value is None
    assert other.i_mapping.i_pages.entries == {0: Entry(0)}
    assert one.i_mapping.i_pages.marks[Mark.DIRTY] == []


def test_reflink_makes_a_file_longer_and_takes_holes_over() -> None:
    tasks = {"a": ["truncate(file1, 0)", "fallocate(file0, PUNCH_HOLE, 1, 1)", "reflink(file0, 0, file1, 0, 2)"]}
    sim = sharing(tasks, files={"file0": 2, "file1": 2}, clones={})
    run(sim)
    assert sim.results == [[0, 0, 0]]
    assert sim.kernel.inodes["file1"].i_size.value == 2
    assert [extent.value for extent in sim.kernel.inodes["file1"].extents] == [0, None]


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("reflink(file0, 0, file0, 0, 1)", -22),
        ("reflink(file0, 0, file0, 1, 1)", 0),
        ("reflink(file1, 0, file0, 0, 2)", -22),
        ("dedupe(file0, 0, file1, 0, 1)", 0),
        ("dedupe(file0, 1, file1, 0, 1)", -52),
    ],
)
def test_what_reflink_and_dedupe_return(call, result) -> None:
    sim = sharing({"a": ["store(file0, 1)", call]}, files={"file0": 2, "file1": 1}, clones={})
    run(sim)
    assert sim.results == [[1000, result]]
    shared = [owners for owners in sim.kernel.allocator.table if len(owners) > 1]
    assert len(shared) == (result == 0)


def test_a_fatal_signal_ends_a_reflink_between_two_blocks() -> None:
    sim = sharing({"a": ["reflink(file0, 0, file1, 0, 2)"]}, files={"file0": 2, "file1": 2}, clones={})
    task = sim.task("a")
    run(sim, ("a", "xfs_reflink_remap_extent.write"), lambda: setattr(task, "signal", Signal.FATAL), ("a", ""))
    assert sim.results == [[-4]]
    assert sim.kernel.allocator.table[0] == ((0, 0), (1, 0))
    assert sim.kernel.allocator.table[1] == ((0, 1),)


@pytest.mark.parametrize("call", ["reflink(file0, 0, file1, 0, 1)", "reflink(file1, 0, file0, 0, 1)"])
def test_locks_of_two_files_are_taken_by_address_and_by_number(call) -> None:
    sim = sharing({"a": [call]}, clones={})
    run(sim)
    inodes = sim.kernel.inodes.values()
    locks = [lock for inode in inodes for lock in (inode.i_rwsem, inode.i_mapping.invalidate_lock)]
    points = [point for point in sim.world.log if isinstance(point, Point) and point.access is Access.LOCK]
    taken = [point.object.name for point in points if point.object in locks]
    assert taken == ["file1.i_rwsem", "file0.i_rwsem", "file0.invalidate_lock", "file1.invalidate_lock"]


def test_reflink_waits_for_a_pin_of_the_first_file_without_mmaplock() -> None:
    tasks = {"a": ["r0 = pin_user_pages(file0, 0)", "unpin_user_pages(r0)"], "b": ["reflink(file0, 0, file1, 0, 1)"]}
    sim = sharing(tasks, clones={})
    seen = []
    lock = sim.kernel.inodes["file0"].i_mapping.invalidate_lock
    pinned = (("a", "+"), ("a", "user_space.call"))
    run(sim, *pinned, ("b", ""), lambda: seen.append(lock.writer), ("a", ""), ("b", ""))
    assert seen == [None]
    assert sim.results[1] == [0]
