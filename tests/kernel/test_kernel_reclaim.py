"""What memory reclaim does to files that nobody uses."""

from __future__ import annotations

import pytest
from kernel_kit import points, run, simulate

from daxfuzz.kernel.machine import Machine
from daxfuzz.program.simulation import Simulation

LOW = Machine(bias=8, low_memory=True)
TWO = {"file0": 1, "file1": 1}
FORGET = ["load(file0, 0)", "munmap(file0)"]
ALLOCATE = ["munmap(file1)", "mmap(file1)", "load(file1, 0)"]


def low(tasks: dict[str, list[str]], filesystem: str = "ext4", protocol: str = "refcount-1") -> Simulation:
    return simulate(tasks, protocol, filesystem=filesystem, files=TWO, machine=LOW)


def test_nobody_reclaims_while_there_is_memory() -> None:
    sim = simulate({"a": [*FORGET, *ALLOCATE]}, filesystem="fuse", files=TWO)
    run(sim)
    assert sim.kernel.inodes["file0"].i_count.value == 1


def test_an_allocation_evicts_an_unused_file_of_fuse() -> None:
    sim = low({"a": [*FORGET, *ALLOCATE]}, "fuse")
    run(sim)
    inode = sim.kernel.inodes["file0"]
    assert inode.i_count.value == 0
    assert inode.i_mapping.i_pages.entries == {}
    assert sim.kernel.inodes["file1"].i_nlink.value == 1
    assert sim.kernel.reclaimers == []


@pytest.mark.parametrize("calls", [["load(file0, 0)"], [*FORGET, "mmap(file0)"]])
def test_a_file_in_use_stays(calls: list[str]) -> None:
    sim = low({"a": [*calls, *ALLOCATE]}, "fuse")
    run(sim)
    assert sim.kernel.inodes["file0"].i_nlink.value == 1


def test_the_name_is_dropped_once() -> None:
    """By the shrinker or by unlink."""
    for place in ("prune_dentry.write", "iput.update"):
        sim = low({"a": [*FORGET, *ALLOCATE], "b": ["unlink(file0)"]}, "fuse")
        run(sim, ("a", place), ("a", place) if place == "prune_dentry.write" else ("b", ""), ("b", ""))
        assert sim.kernel.inodes["file0"].i_count.value == 0
        assert sim.results[1] in ([0], [-2])


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_others_keep_files_with_entries_in_the_cache(filesystem: str) -> None:
    sim = low({"a": [*FORGET, *ALLOCATE]}, filesystem)
    run(sim)
    inode = sim.kernel.inodes["file0"]
    assert inode.i_count.value == 1
    assert list(inode.i_mapping.i_pages.entries) == [0]


@pytest.mark.parametrize(("protocol", "evictor"), [("refcount-1", 0), ("refcount-0", 1)])
def test_who_evicts_a_file_that_is_unlinked_during_reclaim(protocol: str, evictor: int) -> None:
    sim = low({"a": [*FORGET, *ALLOCATE], "b": ["unlink(file0)"]}, protocol=protocol)
    execution = run(sim, ("a", "find_lock_entries.find"), ("b", ""))
    tasks = [step.task for step in execution.steps() if repr(step.point).startswith("file0.exiting.write")]
    assert tasks == [evictor]


def test_reclaim_stays_away_from_the_file_system_of_an_open_handle() -> None:
    sim = low({"a": ["munmap(file0)", "mmap(file0)", "store(file0, 0)"]})
    assert "sb.s_umount.trylock" not in points(run(sim), 0)


def test_reclaim_does_not_wait_for_who_freezes() -> None:
    sim = low({"a": [*FORGET, *ALLOCATE], "b": ["freeze()"]})
    execution = run(sim, ("b", "freeze_super.read"), ("a", ""))
    assert len(sim.results[0]) == 5
    assert "sb.s_umount.trylock" in points(execution, 0)
    assert "file0.i_pages.find" not in points(execution, 0)


def test_a_task_that_is_to_die_gets_no_memory() -> None:
    for low_memory in (True, False):
        machine = Machine(bias=8, low_memory=low_memory)
        tasks = {"a": ["munmap(file0)", "mmap(file0)", "load(file0, 0)"], "b": ["signal(a, SIGKILL)"]}
        sim = simulate(tasks, machine=machine)
        run(sim, ("a", "pte_alloc.read"), ("b", ""))
        assert (sim.kernel.mms[0].slots[0].value is None) is low_memory
