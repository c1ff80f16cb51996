"""xfs: write(2), fallocate, leases, the end of files, memory failure."""

from __future__ import annotations

import pytest
from kernel_kit import points, run, simulate

from daxfuzz.kernel.inode import Unwritten
from daxfuzz.kernel.machine import Machine

XFS = {"filesystem": "xfs"}


def extents(sim, file="file0"):
    return [extent.value for extent in sim.kernel.inodes[file].extents]


def test_write_fills_a_hole_and_drops_what_mappings_made_of_it() -> None:
    sim = simulate({"a": ["load(file0, 0)", "write(file0, 0)", "load(file0, 0)"]}, prefault=False, **XFS)
    run(sim)
    assert sim.results == [[0, 0, 1001]]
    assert extents(sim) == [0]


def test_write_holds_iolock_only_and_the_size_grows_afterwards() -> None:
    sim = simulate({"a": ["truncate(file0, 1)", "write(file0, 2)"]}, files={"file0": 3}, **XFS)
    inode = sim.kernel.inodes["file0"]
    seen = []

    def look() -> None:
        seen.append((inode.i_size.value, inode.i_rwsem.writer is not None, inode.i_mapping.invalidate_lock.writer))

    run(sim, ("a", "copy_page.store"), look, ("a", ""))
    assert seen == [(1, True, None)]
    assert inode.i_size.value == 3
    assert sim.results == [[0, 0]]
    assert extents(sim)[1] is None


def test_write_to_a_shared_block_writes_to_a_copy() -> None:
    tasks = {"a": ["store(file0, 0)", "reflink(file0, 0, file1, 0, 1)", "write(file0, 0)"]}
    sim = simulate(tasks, files={"file0": 1, "file1": 1}, **XFS)
    run(sim)
    kernel = sim.kernel
    assert sim.results == [[1000, 0, 0]]
    (old,), (new,) = extents(sim, "file1"), extents(sim)
    assert kernel.blocks[old].data == 1000
    assert kernel.blocks[new].data == 1002
    assert kernel.allocator.table[old] == ((1, 0),)
    assert kernel.allocator.table[new] == ((0, 0),)
    # v6.0 invalidates for holes only (N-15).
    assert kernel.inodes["file0"].i_mapping.i_pages.entries[0].pfn == old


def test_a_write_that_fails_gives_the_copy_back() -> None:
    tasks = {"a": ["truncate(file2, 0)", "pwrite(file0, 0, file2, 0)"]}
    sim = simulate(tasks, files={"file0": 1, "file1": 1, "file2": 1}, clones={"file1": "file0"}, **XFS)
    run(sim)
    assert sim.results == [[0, -14]]
    assert extents(sim) == extents(sim, "file1")
    assert sim.kernel.inodes["file0"].cow_fork.blocks == {}
    assert sum(bool(owners) for owners in sim.kernel.allocator.table) == 1


@pytest.mark.parametrize(
    ("call", "result", "after", "size"),
    [
        ("fallocate(file0, PUNCH_HOLE, 1, 1)", 0, [0, None, 2, None], 3),
        ("fallocate(file0, ZERO_RANGE, 1, 1)", 0, [0, Unwritten(4), 2, None], 3),
        ("fallocate(file0, ZERO_RANGE, 2, 2)", 0, [0, 1, Unwritten(4), Unwritten(2)], 4),
        ("fallocate(file0, COLLAPSE_RANGE, 0, 1)", 0, [1, 2, None, None], 2),
        ("fallocate(file0, COLLAPSE_RANGE, 1, 2)", -22, [0, None, None, None], 3),
        ("fallocate(file0, INSERT_RANGE, 1, 1)", 0, [0, None, 1, 2], 4),
        ("fallocate(file0, INSERT_RANGE, 1, 2)", -27, [0, 1, 2, None], 3),
        ("fallocate(file0, INSERT_RANGE, 3, 1)", -22, [0, 1, 2, None], 3),
        ("fallocate(file0, ALLOCATE, 2, 2)", 0, [0, 1, 2, Unwritten(4)], 4),
        ("fallocate(file0, KEEP_SIZE, 2, 2)", 0, [0, 1, 2, Unwritten(4)], 3),
    ],
)
def test_modes_of_fallocate(call, result, after, size) -> None:
    sim = simulate({"a": ["truncate(file0, 3)", call]}, files={"file0": 4}, **XFS)
    run(sim)
    if call == "fallocate(file0, COLLAPSE_RANGE, 1, 2)":
        # The flush comes before the check, and drops the page cache, but nothing is freed.
        after = [0, 1, 2, None]
        assert list(sim.kernel.inodes["file0"].i_mapping.i_pages.entries) == [0]
    assert sim.results == [[0, result]]
    assert extents(sim) == after
    assert sim.kernel.inodes["file0"].i_size.value == size
    owners = {index: pfn.pfn if isinstance(pfn, Unwritten) else pfn for index, pfn in enumerate(after)}
    table = {pfn: ((0, index),) for index, pfn in owners.items() if pfn is not None}
    assert sim.kernel.allocator.table == [table.get(pfn, ()) for pfn in range(len(sim.kernel.allocator.table))]


def test_an_unwritten_block_reads_as_zeroes_and_a_write_zeroes_it() -> None:
    calls = ["store(file0, 0)", "fallocate(file0, ZERO_RANGE, 0, 1)", "load(file0, 0)", "store(file0, 0)"]
    sim = simulate({"a": calls}, **XFS)
    run(sim)
    assert sim.results == [[1000, 0, 0, 1003]]
    (block,) = extents(sim)
    assert isinstance(block, int)


@pytest.mark.parametrize(
    ("call", "mmaplock"),
    [("write(file0, 0)", False), ("truncate(file0, 0)", True), ("fallocate(file0, ALLOCATE, 0, 1)", True)],
)
def test_a_lease_is_waited_for_without_locks(call, mmaplock) -> None:
    sim = simulate({"nfs": ["lease(file0)", "unlease(file0)", "unlease(file0)"], "b": [call]}, **XFS)
    inode = sim.kernel.inodes["file0"]
    seen = []

    def look() -> None:
        seen.append((inode.i_rwsem.writer, inode.i_mapping.invalidate_lock.writer))

    taken = (("nfs", "user_space.call"), ("nfs", "+"), ("nfs", "user_space.call"))
    execution = run(sim, *taken, ("b", ""), look, ("nfs", ""), ("b", ""))
    assert seen == [(None, None)]
    assert sim.results == [[0, 0, -22], [0]]
    locks = [point for point in points(execution, 1) if "invalidate_lock" in point]
    assert (len(locks) >= 4) == mmaplock


def test_reflink_waits_for_leases_of_both_files() -> None:
    tasks = {"nfs": ["lease(file1)", "unlease(file1)"], "b": ["reflink(file0, 0, file1, 0, 1)"]}
    sim = simulate(tasks, files={"file0": 1, "file1": 1}, **XFS)
    taken = (("nfs", "user_space.call"), ("nfs", "+"), ("nfs", "user_space.call"))
    asleep = []
    run(sim, *taken, ("b", ""), lambda: asleep.append(sim.task("b").blocked_on.name), ("nfs", ""), ("b", ""))
    assert asleep == ["file1.lease_wait"]
    assert sim.results == [[0, 0], [0]]


GONE = ["munmap(file0)", "close(file0)", "unlink(file0)"]


def test_a_worker_frees_the_blocks_of_a_file_that_is_gone() -> None:
    sim = simulate({"a": ["store(file0, 0)", "fsync(file0)", *GONE], "worker": ["inodegc()"]}, **XFS)
    tables = []
    i_pages = sim.kernel.inodes["file0"].i_mapping.i_pages

    def look() -> None:
        tables.append((len(i_pages.entries), sim.kernel.allocator.table[0]))

    run(sim, ("a", ""), look, ("worker", ""), look)
    assert tables == [(0, ((0, 0),)), (0, ())]


def test_the_worker_rests_while_the_file_system_is_frozen() -> None:
    tasks = {"a": ["store(file0, 0)", "unlink(file0)", "freeze()", "munmap(file0)", "thaw()"], "worker": ["inodegc()"]}
    sim = simulate(tasks, **XFS)
    seen = []
    gone = (("a", "user_space.call"),) + (("a", "+"), ("a", "user_space.call")) * 4
    run(sim, *gone, ("worker", ""), lambda: seen.append(sim.kernel.allocator.table[0]), ("a", ""), ("worker", ""))
    assert seen == [((0, 0),)]
    assert sim.results == [[1000, 0, 0, 0, 0], [0]]
    assert sim.kernel.allocator.table[0] == ()


def test_a_freeze_finishes_what_the_worker_has_to_do() -> None:
    sim = simulate({"a": ["store(file0, 0)", "munmap(file0)", "unlink(file0)", "freeze()"]}, **XFS)
    run(sim)
    assert sim.results == [[1000, 0, 0, 0]]
    assert sim.kernel.allocator.table[0] == ()
    assert not sim.kernel.inodegc.queued


def test_a_failed_block_is_reported_to_every_file_that_has_it() -> None:
    tasks = {"a": ["load(file0, 0)", "load(file1, 0)", "memory_failure(file0, 0)"]}
    sim = simulate(tasks, "refcount-1-fixed", files={"file0": 1, "file1": 1}, clones={"file1": "file0"}, **XFS)
    seen = []
    sim.on_end.append(lambda task, call, result: seen.append([slot.value for slot in sim.kernel.mms[0].slots.values()]))
    run(sim)
    assert sim.results == [[0, 0, 0]]
    assert None not in seen[1]
    assert seen[2] == [None, None]
    assert sim.kernel.pages[extents(sim)[0]].hwpoison.value


def test_a_write_to_a_shared_pmd_copies_all_of_it_if_there_is_room() -> None:
    sim = simulate(
        {"a": ["load(file1, 0)", "store(file1, 1)"]}, files={"file0": 2, "file1": 2}, clones={"file1": "file0"}, **XFS
    )
    run(sim)
    entries = sim.kernel.inodes["file1"].i_mapping.i_pages.entries
    assert [(index, entry.pmd, entry.pfn) for index, entry in entries.items()] == [(0, True, 2)]
    assert extents(sim, "file1") == [2, 3]
    assert extents(sim) == [0, 1]
    assert sim.kernel.inodes["file1"].cow_fork.blocks == {}


def test_a_freed_block_is_reused_once_the_log_is_forced_for_it() -> None:
    calls = ["fallocate(file0, PUNCH_HOLE, 0, 1)", "store(file0, 0)"]
    sim = simulate({"a": calls}, files={"file0": 1}, machine=Machine(spare_blocks=0), **XFS)
    forced = []
    sim.on_end.append(lambda task, call, result: forced.append(sim.kernel.journal.committed))
    run(sim)
    assert sim.results == [[0, 1001]]
    assert sim.kernel.allocator.table == [((0, 0),)]
    assert forced == [0, 1]


def test_what_a_transaction_frees_is_busy_until_it_commits() -> None:
    """Whoever forces the log meanwhile does not make it durable."""
    tasks = {"a": ["fallocate(file0, PUNCH_HOLE, 0, 1)"], "b": ["unlink(file1)", "fsync(file1)"]}
    sim = simulate(tasks, files={"file0": 1, "file1": 1}, **XFS)
    allocator = sim.kernel.allocator
    busy = []
    run(
        sim,
        ("a", "xfs_trans_end.log"),
        ("b", ""),
        lambda: busy.append((sim.kernel.journal.committed, allocator.uncommitted, allocator.freed)),
    )
    assert busy == [(1, ((0, 0),), ())]
    assert (allocator.uncommitted, allocator.freed) == ((), (0,))


def test_fsync_forces_the_log_only_for_a_pinned_inode() -> None:
    sim = simulate(
        {"a": ["fsync(file0)", "truncate(file0, 0)", "fsync(file0)", "fsync(file0)"]}, files={"file0": 1}, **XFS
    )
    forced = []
    sim.on_end.append(lambda task, call, result: forced.append(sim.kernel.journal.committed))
    run(sim)
    assert forced == [0, 0, 1, 1]


def test_a_map_sync_fault_on_a_pinned_inode_forces_the_log_first() -> None:
    calls = ["truncate(file0, 0)", "truncate(file0, 1)", "munmap(file0)", "mmap(file0, MAP_SYNC)", "store(file0, 0)"]
    sim = simulate({"a": calls}, files={"file0": 1}, **XFS)
    run(sim)
    assert sim.results[0][-1] == 1004
    assert sim.kernel.journal.tids[0] == sim.kernel.journal.committed
