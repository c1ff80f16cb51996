"""Truncation, hole punching, and mappings that come and go."""

from __future__ import annotations

import pytest
from kernel_kit import run, simulate

from daxfuzz.kernel.entry import Entry

TWO = {"file0": 2}


def test_truncate_leaves_nothing_behind() -> None:
    sim = simulate({"a": ["store(file0, 0)", "truncate(file0, 0)"]})
    run(sim)
    kernel = sim.kernel
    inode = kernel.inodes["file0"]
    assert sim.results == [[1000, 0]]
    assert inode.i_size.value == 0
    assert inode.extents[0].value is None
    assert kernel.allocator.table == [(), ()]
    assert inode.i_mapping.i_pages.entries == {}
    assert kernel.mms[0].slots[0].value is None
    assert kernel.tlb_of(sim.task("a")).entries == {}
    assert (kernel.pages[0].mapping.value, kernel.pages[0].index.value) == (None, 0)


def test_truncate_keeps_what_is_below_the_size_but_unmaps_all_of_the_file() -> None:
    sim = simulate({"a": ["truncate(file0, 1)"]}, files=TWO)
    run(sim)
    kernel = sim.kernel
    assert kernel.allocator.table == [((0, 0),), (), ()]
    assert kernel.inodes["file0"].i_mapping.i_pages.entries == {0: Entry(0)}
    # The task does not map the file: nothing was mapped in the first place.
    assert kernel.mms[0].vmas.value == ()


@pytest.mark.parametrize("size", [1, 2])
def test_the_layout_is_broken_for_the_whole_file(size) -> None:
    sim = simulate({"a": ["store(file0, 0)", f"truncate(file0, {size})"]}, files=TWO)
    run(sim)
    assert sim.kernel.mms[0].slots[0].value is None
    assert sim.kernel.allocator.table[0] == ((0, 0),)


def test_a_file_that_grows_again_reads_zeroes() -> None:
    sim = simulate({"a": ["store(file0, 0)", "truncate(file0, 0)", "truncate(file0, 1)", "load(file0, 0)"]})
    run(sim)
    assert sim.results == [[1000, 0, 0, 0]]
    assert sim.kernel.allocator.table == [(), ()]


def test_a_hole_is_punched_where_it_was_asked_for() -> None:
    tasks = {
        "a": [
            "store(file0, 0)",
            "store(file0, 1)",
            "fallocate(file0, PUNCH_HOLE, 1, 1)",
            "load(file0, 0)",
            "load(file0, 1)",
        ]
    }
    sim = simulate(tasks, files={"file0": 3})
    run(sim)
    assert sim.results == [[1000, 1001, 0, 1000, 0]]
    assert sim.kernel.allocator.table == [((0, 0),), (), ((0, 2),), ()]
    assert sim.kernel.inodes["file0"].i_size.value == 3


def test_a_punch_beyond_the_end_of_the_file_does_nothing() -> None:
    sim = simulate({"a": ["truncate(file0, 0)", "fallocate(file0, PUNCH_HOLE, 0, 1)"]})
    execution = run(sim)
    assert sim.results == [[0, 0]]
    assert sum(repr(step.point) == "file0.invalidate_lock.lock" for step in execution.steps()) == 1


def test_a_punch_writes_back_first_only_if_something_is_dirty() -> None:
    punches = {}
    for first in ("fsync(file0)", "load(file0, 0)"):
        sim = simulate({"a": [first, "fallocate(file0, PUNCH_HOLE, 0, 1)"]})
        steps = [repr(step.point) for step in run(sim).steps()]
        punches[first] = steps.count("block0.load")
    # One flush for fsync, and none again; one load of the program and one flush for the punch.
    assert punches == {"fsync(file0)": 1, "load(file0, 0)": 2}


@pytest.mark.parametrize("call", ["truncate(file0, 0)", "fallocate(file0, PUNCH_HOLE, 0, 1)"])
@pytest.mark.parametrize("protocol", ["refcount-1", "pin-wait"])
def test_a_pin_holds_up_who_frees_blocks_until_it_ends(call, protocol) -> None:
    sim = simulate({"p": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"], "t": [call]}, protocol)
    inode = sim.kernel.inodes["file0"]
    held = []

    def asleep() -> None:
        held.append((sim.task("t").asleep, inode.i_rwsem.writer, inode.i_mapping.invalidate_lock.writer))

    run(sim, ("p", "gup_folio_next.read"), ("t", ""), asleep)
    # Asleep it keeps i_rwsem, but not the lock that faults need.
    assert held == [(True, sim.task("t"), None)]
    assert sim.results == [[0, 0], [0]]
    assert sim.kernel.allocator.table == [(), ()]


@pytest.mark.parametrize("signal", ["signal(t)", "signal(t, SIGKILL)"])
@pytest.mark.parametrize("call", ["truncate(file0, 0)", "fallocate(file0, PUNCH_HOLE, 0, 1)"])
def test_a_signal_ends_the_wait_and_nothing_has_changed(call, signal) -> None:
    sim = simulate({"p": ["r0 = pin_user_pages_fast(file0, 0)"], "t": [call], "s": [signal]})
    execution = run(sim, ("p", ""), ("t", ""), ("s", ""))
    inode = sim.kernel.inodes["file0"]
    assert sim.results == [[0], [-512], [0]]
    assert execution.stuck == ()
    assert inode.i_size.value == 1
    assert sim.kernel.allocator.table == [((0, 0),), ()]
    assert inode.i_mapping.i_pages.entries == {0: Entry(0)}
    assert inode.i_mapping.invalidate_lock.writer is None
    assert inode.i_rwsem.writer is None
    assert all(not queue.entries for queue in sim.kernel.var_waitqueues.heads)


def test_a_signal_before_the_sleep_loses_against_a_true_condition() -> None:
    sim = simulate(
        {
            "p": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"],
            "t": ["truncate(file0, 0)"],
            "s": ["signal(t)"],
        }
    )
    run(sim, ("p", "gup_folio_next.read"), ("t", "wait_page_idle.prepare_to_wait"), ("s", ""), ("p", ""), ("t", ""))
    assert sim.results == [[0, 0], [0], [0]]


def test_mappings_come_once_and_go_as_often_as_one_likes() -> None:
    sim = simulate({"a": ["load(file0, 0)", "mmap(file0)", "munmap(file0)", "munmap(file0)", "mmap(file0)"]})
    seen = []
    sim.on_end.append(lambda task, call, result: seen.append(len(sim.kernel.inodes["file0"].i_mapping.i_mmap.value)))
    run(sim)
    assert sim.results == [[0, -17, 0, 0, 0]]
    assert seen == [1, 1, 0, 0, 1]
    assert sim.kernel.mms[0].slots[0].value is None
    assert sim.kernel.tlb_of(sim.task("a")).entries == {}
    assert sim.kernel.mms[0].tlb_flush_pending.value == 0


@pytest.mark.parametrize("call", ["mmap(file0)", "munmap(file0)"])
def test_a_task_killed_while_it_waits_for_mmap_lock_gives_up(call) -> None:
    tasks = {"a": ["munmap(file0)"], "b": [call], "s": ["signal(b, SIGKILL)"]}
    sim = simulate(tasks, mms={"mm0": ("a", "b"), "mm1": ("s",)})
    run(sim, ("a", "unlink_file_vma.lock"), ("b", ""), ("s", ""), ("b", ""))
    assert sim.results == [[0], [-4], [0]]


def test_faults_find_no_vma_while_munmap_zaps() -> None:
    tasks = {"a": ["munmap(file0)"], "b": ["load(file0, 0)"]}
    sim = simulate(tasks, mms={"mm0": ("a", "b")})
    seen = []
    # mmap_lock is held shared by then, so the fault does not wait.
    run(sim, ("a", "unlink_file_vma.lock"), ("b", ""), lambda: seen.append(list(sim.results[1])))
    assert seen == [["SIGSEGV"]]
