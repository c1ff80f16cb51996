"""virtio-fs DAX: ranges of the window, and how files take them from each other."""

from __future__ import annotations

from typing import Any

import pytest
from kernel_kit import Steered, add_task, run, simulate

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.fs.filesystem import Iomap
from daxfuzz.kernel.fs.fuse_conn import FuseConnDax
from daxfuzz.kernel.machine import Machine
from daxfuzz.oracles.registry import attach
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.sim import Stepper

ONE_RANGE = Machine(bias=8, window_ranges=1)
TWO_RANGES = Machine(bias=8, window_ranges=2)
TWO_FILES = {"file0": 1, "file1": 1}
FIXED = tuple(each.slug() for each in PROTOCOLS["refcount-1"].repairs)


def fuse(tasks: dict[str, list[str]], machine: Machine = ONE_RANGE, **more: Any) -> Simulation:
    return simulate(tasks, filesystem="fuse", machine=machine, **more)


def conn_of(sim: Simulation) -> FuseConnDax:
    conn = sim.kernel.fuse_conn
    assert conn is not None
    return conn


def numbers(ranges: Any) -> list[int]:
    return [dmap.number for dmap in ranges.value]


def test_a_fault_sets_a_range_up_and_all_pages_of_its_slice_get_pages_of_the_window() -> None:
    machine = Machine(bias=8, pmd_pages=4)
    sim = fuse({"a": ["store(file0, 1)", "load(file0, 0)"]}, machine, files={"file0": 2}, prefault=False)
    run(sim)
    conn = conn_of(sim)
    assert sim.results == [[1000, 0]]
    assert (numbers(conn.free_ranges), numbers(conn.busy_ranges)) == ([1], [0])
    assert conn.nr_free_ranges.value == 1
    assert sim.kernel.allocator.table == [((0, 0),), ((0, 1),), *[()] * 6]
    assert sim.kernel.inodes["file0"].i_mapping.i_pages.entries == {0: Entry(0), 1: Entry(1)}
    assert conn.dmaps[0].refcnt.value == 1


def test_a_slice_that_a_file_fills_is_mapped_by_a_pmd_and_reclaimed_as_one() -> None:
    tasks = {"a": ["store(file0, 1)", "load(file1, 0)"], "w": ["fuse_dax_free_mem_worker()"]}
    sim = fuse(tasks, files={"file0": 2, "file1": 1}, prefault=False)
    attach(sim)
    inode = sim.kernel.inodes["file0"]
    seen = []
    run(sim, ("a", ""), lambda: seen.append(dict(inode.i_mapping.i_pages.entries)), ("w", ""))
    assert seen == [{0: Entry(0, pmd=True)}]
    assert sim.results == [[1000, 0], [0]]
    assert inode.i_mapping.i_pages.entries == {}
    assert [page.value for page in inode.fuse.host_pages] == [0, 1000]
    assert sim.kernel.allocator.table == [((1, 0),), ()]


def test_files_get_ranges_before_the_start_as_far_as_there_are_any() -> None:
    sim = fuse({"a": ["load(file0, 0)", "load(file1, 0)"]}, ONE_RANGE, files=TWO_FILES)
    conn = conn_of(sim)
    assert numbers(conn.busy_ranges) == [0]
    assert conn.free_work.value
    assert sim.kernel.allocator.table == [((0, 0),), ()]
    assert sim.kernel.inodes["file1"].extents[0].value is None
    assert not conn_of(fuse({"a": ["load(file0, 0)"]}, TWO_RANGES)).free_work.value


def test_a_range_is_set_up_for_reading_and_upgraded_by_the_first_write() -> None:
    sim = fuse({"a": ["load(file0, 0)", "store(file0, 0)", "store(file0, 0)"]}, prefault=False)
    views = []
    window = conn_of(sim).window[0]
    window.watch = lambda old, new: views.append(new.writable)
    run(sim)
    assert views == [False, True]
    assert conn_of(sim).dmaps[0].writable.value
    assert conn_of(sim).dmaps[0].refcnt.value == 1


def test_the_worker_takes_a_range_from_one_file_and_another_gets_its_pages() -> None:
    sim = fuse({"a": ["store(file0, 0)", "load(file1, 0)"], "w": ["fuse_dax_free_mem_worker()"]}, files=TWO_FILES)
    attach(sim)
    run(sim, ("a", ""), ("w", ""))
    assert sim.results == [[1000, 0], [0]]
    kernel = sim.kernel
    assert kernel.allocator.table == [((1, 0),), ()]
    assert kernel.inodes["file0"].i_mapping.i_pages.entries == {}
    assert kernel.inodes["file0"].fuse.host_pages[0].value == 1000
    assert kernel.inodes["file0"].fuse.tree.value == ()
    assert (kernel.pages[0].mapping.value, kernel.pages[0].index.value) == (kernel.inodes["file1"].i_mapping, 0)


def test_data_comes_back_with_the_file() -> None:
    loads = ["store(file0, 0)", "load(file1, 0)", "load(file0, 0)"]
    workers = {name: ["fuse_dax_free_mem_worker()"] for name in ("v", "w")}
    sim = fuse({"a": loads, **workers}, files=TWO_FILES)
    attach(sim)
    run(sim, ("a", ""), ("v", ""), ("a", ""), ("w", ""))
    assert sim.results == [[1000, 0, 1000], [0], [0]]


def test_the_worker_waits_for_a_pinned_page_without_invalidate_lock() -> None:
    tasks = {
        "p": ["r0 = pin_user_pages(file0, 0)", "dma_write(r0)", "unpin_user_pages(r0)"],
        "w": ["fuse_dax_free_mem_worker()"],
    }
    sim = fuse(tasks)
    attach(sim)
    lock = sim.kernel.inodes["file0"].i_mapping.invalidate_lock
    seen = []
    run(sim, ("p", "dma_write.store"), ("w", ""), lambda: seen.append(lock.writer), ("p", ""), ("w", ""))
    assert seen == [None]
    assert sim.results[1] == [0]
    assert sim.kernel.allocator.table == [(), ()]
    assert sim.kernel.inodes["file0"].fuse.host_pages[0].value == sim.results[0][1]


def test_the_worker_does_nothing_unless_it_is_queued() -> None:
    sim = fuse({"w": ["fuse_dax_free_mem_worker()"]}, TWO_RANGES)
    run(sim)
    assert numbers(conn_of(sim).busy_ranges) == [0]


def test_a_range_in_use_is_not_reclaimed() -> None:
    sim = fuse({"w": ["fuse_dax_free_mem_worker()"]})
    conn_of(sim).dmaps[0].refcnt.value = 2
    sim.world.seal()
    run(sim)
    assert numbers(conn_of(sim).busy_ranges) == [0]


def test_reclaim_inside_a_call_takes_a_range_of_the_same_file() -> None:
    sim = fuse({"a": ["load(file0, 0)"]}, files={"file0": 4})
    inode = sim.kernel.inodes["file0"]
    got = add_task(sim, "t", lambda: sim.kernel.fuse_dax.fuse_iomap_begin(inode, 2, True, 1, False))
    sim.world.seal()
    run(sim)
    assert got[0].pfn == 0
    assert [start for start, _ in inode.fuse.tree.value] == [1]
    assert inode.fuse.nr.value == 1
    assert sim.kernel.allocator.table == [((0, 2),), ((0, 3),)]
    assert conn_of(sim).dmaps[0].refcnt.value == 2


def test_reclaim_inside_a_call_sleeps_until_killed_if_the_file_has_no_range() -> None:
    sim = fuse({"a": ["load(file0, 0)"], "k": ["signal(a)"]}, files=TWO_FILES)
    inode = sim.kernel.inodes["file1"]
    got = add_task(sim, "t", lambda: sim.kernel.fuse_dax.alloc_dax_mapping_reclaim(inode))
    sim.world.seal()
    execution = Stepper(sim.world).run(Steered(("t", ""), ("a", ""), ("k", "")), 5_000)
    assert got == []
    assert execution.stuck
    (waiter,) = conn_of(sim).range_waitq.entries
    assert waiter.exclusive


def test_an_evicted_inode_gives_its_ranges_back() -> None:
    sim = fuse({"a": ["load(file0, 0)"]}, TWO_RANGES, files={"file0": 3})
    inode = sim.kernel.inodes["file0"]
    add_task(sim, "t", lambda: sim.kernel.mmap.do_munmap(sim.kernel.mms[0], inode))
    add_task(sim, "u", lambda: sim.kernel.fs.evict_inode(inode))
    sim.world.seal()
    run(sim, ("a", ""), ("t", ""), ("u", ""))
    conn = conn_of(sim)
    assert numbers(conn.busy_ranges) == []
    assert sorted(numbers(conn.free_ranges)) == [0, 1]
    assert conn.nr_free_ranges.value == 2
    assert inode.fuse.tree.value == ()
    assert sim.kernel.allocator.table == [()] * 4


def test_a_truncated_file_keeps_its_range_and_the_pages_come_back_when_it_grows() -> None:
    sim = fuse({"a": ["store(file0, 0)", "truncate(file0, 0)", "truncate(file0, 1)", "load(file0, 0)"]})
    attach(sim)
    window = []
    run(sim, ("a", "+"), lambda: window.append(conn_of(sim).window[0].value))
    assert sim.results == [[1000, 0, 0, 0]]
    assert conn_of(sim).window[0].value == window[0]
    assert sim.kernel.allocator.table == [((0, 0),), ()]


def test_a_punched_page_reads_as_zero_and_stays_in_the_window() -> None:
    sim = fuse(
        {"a": ["store(file0, 0)", "store(file0, 1)", "fallocate(file0, PUNCH_HOLE, 1, 1)", "load(file0, 1)"]},
        files={"file0": 2},
        patches=FIXED,
    )
    attach(sim)
    run(sim)
    assert sim.results == [[1000, 1001, 0, 0]]
    assert sim.kernel.allocator.table == [((0, 0),), ((0, 1),)]


def test_open_with_o_trunc_truncates() -> None:
    sim = fuse({"a": ["store(file0, 0)", "open(file0, O_TRUNC)", "truncate(file0, 1)", "load(file0, 0)"]})
    attach(sim)
    run(sim)
    assert sim.results == [[1000, 0, 0, 0]]


def test_open_forgets_what_is_clean_and_unmaps_the_file() -> None:
    sim = fuse({"a": ["fsync(file0)", "open(file0)"], "b": ["load(file0, 0)"]})
    run(sim, ("b", ""), ("a", ""))
    assert sim.kernel.inodes["file0"].i_mapping.i_pages.entries == {}
    assert sim.kernel.mms[1].slots[0].value is None
    dirty = fuse({"a": ["open(file0)"], "b": ["load(file0, 0)"]})
    run(dirty, ("b", ""), ("a", ""))
    assert dirty.kernel.inodes["file0"].i_mapping.i_pages.entries == {0: Entry(0)}


def test_munmap_flushes_before_the_vma_leaves_the_file() -> None:
    order = {}
    for filesystem in ("fuse", "ext4"):
        sim = simulate({"a": ["load(file0, 0)", "munmap(file0)"]}, filesystem=filesystem)
        tlb = sim.kernel.mms[0].tlbs[0]
        unlinked = []
        sim.kernel.inodes["file0"].i_mapping.i_mmap.watch = lambda old, new, t=tlb, u=unlinked: u.append(
            dict(t.entries)
        )
        run(sim)
        (entries,) = unlinked
        order[filesystem] = not entries
    assert order == {"fuse": True, "ext4": False}


def test_write_goes_through_the_window_and_a_request_lets_the_file_grow() -> None:
    sim = fuse(
        {"a": ["truncate(file0, 1)", "write(file0, 0)", "write(file0, 1)", "load(file0, 1)"]},
        files={"file0": 2},
        patches=FIXED,
    )
    attach(sim)
    run(sim)
    inode = sim.kernel.inodes["file0"]
    assert sim.results == [[0, 0, 0, 1002]]
    assert (inode.i_size.value, inode.fuse.host_size.value) == (2, 2)
    assert [block.data for block in sim.kernel.blocks] == [1001, 1002]
    assert conn_of(sim).dmaps[0].refcnt.value == 1


def test_write_without_a_range_takes_one_of_the_same_file() -> None:
    sim = fuse({"a": ["store(file0, 0)", "write(file0, 2)"]}, files={"file0": 4})
    attach(sim)
    run(sim)
    inode = sim.kernel.inodes["file0"]
    assert sim.results == [[1000, 0]]
    assert [start for start, _ in inode.fuse.tree.value] == [1]
    assert inode.fuse.host_pages[0].value == 1000


@pytest.mark.parametrize("mode", ["ZERO_RANGE", "ALLOCATE", "KEEP_SIZE", "PUNCH_HOLE"])
def test_fallocate(mode) -> None:
    sim = fuse(
        {"a": ["store(file0, 0)", "truncate(file0, 1)", f"fallocate(file0, {mode}, 0, 2)"]},
        files={"file0": 2},
        patches=FIXED,
    )
    attach(sim)
    run(sim)
    inode = sim.kernel.inodes["file0"]
    assert sim.results == [[1000, 0, 0]]
    size = 2 if mode in ("ZERO_RANGE", "ALLOCATE") else 1
    assert (inode.i_size.value, inode.fuse.host_size.value) == (size, size)
    assert sim.kernel.blocks[0].data == (0 if mode in ("ZERO_RANGE", "PUNCH_HOLE") else 1000)


@pytest.mark.parametrize("mode", ["COLLAPSE_RANGE", "INSERT_RANGE"])
def test_fuse_does_not_shift_extents(mode) -> None:
    sim = fuse({"a": [f"fallocate(file0, {mode}, 0, 1)"]}, files={"file0": 2})
    run(sim)
    assert sim.results == [[-95]]


def test_preallocation_that_keeps_the_size_takes_no_lock() -> None:
    sim = fuse({"a": ["fallocate(file0, KEEP_SIZE, 0, 1)"]})
    add_task(sim, "t", sim.kernel.inodes["file0"].i_rwsem.down_write)
    sim.world.seal()
    run(sim, ("t", ""), ("a", ""))
    assert sim.results == [[0]]


def test_fuse_does_not_freeze() -> None:
    sim = fuse({"a": ["freeze()", "thaw()"]})
    run(sim)
    assert sim.results == [[-95, -22]]


def test_a_write_fault_keeps_its_freeze_level_while_it_waits_for_a_range() -> None:
    for call, readers in (("store", 1), ("load", 0)):
        sim = fuse({"a": ["load(file0, 0)"], "b": [f"{call}(file1, 0)"]}, files=TWO_FILES)
        execution = Stepper(sim.world).run(Steered(("a", ""), ("b", "")), 5_000)
        assert execution.stuck
        assert len(sim.kernel.sb.pagefault.readers) == readers


def test_the_last_put_of_the_worker_evicts() -> None:
    tasks = {"w": ["fuse_dax_free_mem_worker()"], "u": ["unlink(file0)"]}
    sim = fuse(tasks)
    attach(sim)
    inode = sim.kernel.inodes["file0"]
    seen = []
    run(sim, ("w", "iput.update"), ("u", ""), lambda: seen.append(inode.i_count.value), ("w", ""))
    assert seen == [1]
    assert inode.i_count.value == 0
    assert sim.results == [[0], [0]]


def test_the_worker_leaves_a_file_alone_that_is_going_away() -> None:
    sim = fuse({"w": ["fuse_dax_free_mem_worker()"], "u": ["unlink(file0)"]})
    attach(sim)
    seen = []
    inode = sim.kernel.inodes["file0"]
    run(sim, ("u", "fuse_dax_inode_cleanup.read"), ("w", ""), lambda: seen.append(inode.fuse.tree.value), ("u", ""))
    assert len(seen[0]) == 1
    assert numbers(conn_of(sim).free_ranges) == [0]


def test_a_second_worker_waits_for_the_first() -> None:
    worker = ["fuse_dax_free_mem_worker()"]
    sim = fuse({"v": worker, "w": worker})
    conn = conn_of(sim)
    seen = []
    run(
        sim, ("v", "lookup_and_reclaim_dmap.lock"), ("w", ""), lambda: seen.append(conn.free_worker.owners()), ("v", "")
    )
    assert seen == [(0,)]
    assert sim.results == [[0], [0]]


def test_open_of_an_unlinked_file_fails() -> None:
    for filesystem in ("fuse", "ext4"):
        sim = simulate({"a": ["unlink(file0)", "open(file0)", "open(file0, O_TRUNC)"]}, filesystem=filesystem)
        run(sim)
        assert sim.results == [[0, -2, -2]]


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("truncate(file0, 0)", -107),
        ("fallocate(file0, PUNCH_HOLE, 0, 1)", -107),
        ("fallocate(file0, ALLOCATE, 2, 1)", -107),
        ("open(file0)", -107),
        ("open(file0, O_TRUNC)", -107),
        ("write(file0, 3)", -5),
        ("load(file0, 2)", "SIGBUS"),
    ],
)
def test_without_a_device_no_request_is_answered(call, result) -> None:
    """The first range is mapped; the others would have to be set up."""
    sim = simulate({"a": ["unbind()", call]}, "refcount-1-fixed", files={"file0": 4}, filesystem="fuse")
    attach(sim)
    host = sim.kernel.inodes["file0"].fuse
    run(sim)
    assert sim.results == [[0, result]]
    assert host.host_size.value == 4
    assert not sim.kernel.inodes["file0"].i_mapping.invalidate_lock.owners()


def test_the_server_grows_a_file_and_maps_it_one_after_the_other() -> None:
    sim = simulate({"a": []}, "refcount-1", files={"file0": 2}, prefault=False, filesystem="fuse", machine=ONE_RANGE)
    kernel = sim.kernel
    file0 = kernel.inodes["file0"]
    file0.fuse.host_size.value = 1
    dmap = conn_of(sim).dmaps[0]
    add_task(sim, "m", lambda: kernel.virtiofsd.do_setupmapping(file0, 0, dmap, True))
    add_task(sim, "w", lambda: kernel.virtiofsd.do_write(file0, 1, 7))
    run(sim, ("m", "setupmapping.write"), ("m", "+"), ("w", ""), ("m", ""), ("w", ""))
    assert [kernel.allocator.table[pfn] for pfn in (0, 1)] == [((0, 0),), ((0, 1),)]


def test_a_write_to_what_the_file_system_has_not_mapped_warns_and_fails() -> None:
    sim = fuse({"a": []})
    warned: list[str] = []
    sim.kernel.on_warn = lambda message, page: warned.append(message)

    async def body() -> int:
        return await sim.kernel.dax_io.dax_iomap_iter(sim.kernel.inodes["file0"], 0, Iomap(None), 1, None)

    returned = add_task(sim, "x", body)
    run(sim)
    assert returned == [-5]
    assert warned == ["dax_iomap_iter: nothing is mapped"]
