"""Flaws with files that share blocks: found without the repair, silent with it, in every generation that has them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kernel_kit import run
from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.page import COW
from daxfuzz.oracles.registry import attach
from daxfuzz.program.case import Program
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.compose import compose
from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.protocols.repairs.cow_busy import FixCowBusy
from daxfuzz.protocols.repairs.cow_count import FixCowCount
from daxfuzz.protocols.repairs.cow_invalidates import FixCowInvalidates
from daxfuzz.protocols.repairs.evict_waits import FixEvictWaits
from daxfuzz.protocols.repairs.failed_inode_later import FixFailedInodeLater
from daxfuzz.protocols.repairs.failed_write_waits import FixFailedWriteWaits
from daxfuzz.protocols.repairs.failure_reads_name_once import FixFailureReadsNameOnce
from daxfuzz.protocols.repairs.lease_signal import FixLeaseSignal
from daxfuzz.protocols.repairs.notify_without_agf import FixNotifyWithoutAgf
from daxfuzz.protocols.repairs.pmd_makes_way import FixPmdMakesWay
from daxfuzz.protocols.repairs.resample_cow import FixResampleCow
from daxfuzz.protocols.repairs.second_mmaplock import FixSecondMmaplock
from daxfuzz.protocols.repairs.share_lock import FixShareLock
from daxfuzz.protocols.repairs.shared_reads import FixSharedReads
from daxfuzz.protocols.repairs.shared_sizes import FixSharedSizes
from daxfuzz.protocols.repairs.shared_warning import FixSharedWarning
from daxfuzz.protocols.repairs.write_unshares import FixWriteUnshares
from daxfuzz.triage.bench import verdict

FILES = {"file0": 1, "file1": 1}
CLONE = {"file1": "file0"}
WRITE = "write(file0, 0)"
READ_PIN = "r0 = pin_user_pages(file0, 0, READ_ONLY)"

CASES = [
    (FixCowCount, "association", {"mapper": ["store(file0, 0)", "truncate(file0, 0)"]}, CLONE),
    (FixSharedReads, "association", {"mapper": ["load(file0, 0)", "load(file1, 0)"]}, CLONE),
    (FixShareLock, "association", {"mapper": ["load(file0, 0)"], "other": ["load(file1, 0)"]}, CLONE),
    (
        FixSharedWarning,
        "kernel-warning",
        {"pinner": ["r0 = pin_user_pages(file1, 0, READ_ONLY)"], "truncator": ["fallocate(file0, PUNCH_HOLE, 0, 1)"]},
        CLONE,
    ),
    (
        FixSecondMmaplock,
        "unkillable-spin",
        {
            "pinner": ["r0 = pin_user_pages(file1, 0)"],
            "cloner": ["reflink(file0, 0, file1, 0, 1)"],
            "killer": ["signal(cloner, SIGKILL)"],
        },
        {},
    ),
    (
        FixCowBusy,
        "freed-while-pinned",
        {"mapper": ["r0 = pin_user_pages(file0, 0, READ_ONLY)", "store(file0, 0)", "truncate(file1, 0)"]},
        CLONE,
    ),
]


UNSHARES = (FixWriteUnshares,)

WRITES = [
    (
        FixWriteUnshares,
        (),
        "stale-data",
        {"writer": [WRITE, "load(file0, 0)"], "pinner": ["r0 = pin_user_pages(file0, 0)"]},
    ),
    (FixWriteUnshares, (), "freed-while-pinned", {"mapper": [READ_PIN, WRITE, "truncate(file1, 0)"]}),
    (FixCowInvalidates, UNSHARES, "stale-tlb", {"writer": ["load(file0, 0)", WRITE]}),
    # What upstream does for N-15 is not enough: a fault brings the old block back before the file has the new one.
    (
        FixWriteUnshares,
        (),
        "freed-while-mapped",
        {"mapper": ["load(file0, 0)"], "writer": [WRITE, "truncate(file1, 0)"]},
    ),
    (FixResampleCow, UNSHARES, "stale-data", {"writer": [WRITE, "load(file1, 0)"], "mapper": ["store(file0, 0)"]}),
    (
        FixFailedWriteWaits,
        UNSHARES,
        "association",
        {"writer": ["truncate(file2, 0)", "pwrite(file0, 0, file2, 0)"], "mapper": ["store(file0, 0)"]},
    ),
    (
        FixLeaseSignal,
        (),
        "unkillable-spin",
        {"leaser": ["lease(file0)"], "truncator": ["truncate(file0, 0)"], "killer": ["signal(truncator, SIGKILL)"]},
    ),
    (
        FixLeaseSignal,
        (),
        "unkillable-spin",
        {"leaser": ["lease(file0)"], "writer": [WRITE], "killer": ["signal(writer, SIGKILL)"]},
    ),
    (
        FixNotifyWithoutAgf,
        (),
        "deadlock",
        {"mapper": ["load(file0, 0)", "store(file0, 0)"], "injector": ["memory_failure(file0, 0)"]},
    ),
    (
        FixEvictWaits,
        (),
        "freed-while-pinned",
        {"pinner": ["r0 = pin_user_pages(file2, 0)", "munmap(file2)", "unlink(file2)"], "worker": ["inodegc()"]},
    ),
]
"""Repair, those that hide the flaw as well, what is found without both, and by which tasks."""


GENERATIONS = ("refcount-1", "series-v3", "refcount-0")


def of_generations(cases):
    """Each case with each of the generations that need its repair."""
    return [
        pytest.param(f"{name}-fixed", *case, id=f"{name}-{case[0].__name__}")
        for name in GENERATIONS
        for case in cases
        if case[0] in PROTOCOLS[name].repairs
    ]


@pytest.mark.parametrize(("name", "repair", "hidden_by", "kind", "tasks"), of_generations(WRITES))
def test_each_repair_of_writes_and_files_silences_its_flaw(name, repair, hidden_by, kind, tasks) -> None:
    fixed = PROTOCOLS[name].patches
    files = FILES | {"file2": 1}
    narrow = [patch for patch in fixed if patch not in hidden_by]
    assert repair in narrow
    assert kind in kinds([patch for patch in narrow if patch is not repair], tasks, CLONE, files)
    assert kind not in kinds(narrow, tasks, CLONE, files)
    assert kinds(fixed, tasks, CLONE, files) == set()


def kinds(patches, tasks, clones, files=FILES) -> set[str]:
    return kinds_of(program(tasks, files=files, clones=clones), patches)


def kinds_of(one, patches) -> set[str]:
    sim = Simulation(one, compose(patches).subsystems, "xfs")
    attach(sim)
    found = (verdict(execution) for execution in executions(sim, simple=250, random=25))
    return {each.kind for each in found if each is not None}


@pytest.mark.parametrize(("name", "repair", "kind", "tasks", "clones"), of_generations(CASES))
def test_each_repair_silences_its_flaw_and_no_other_does(name, repair, kind, tasks, clones) -> None:
    fixed = PROTOCOLS[name].patches
    assert kind in kinds([patch for patch in fixed if patch is not repair], tasks, clones)
    assert kinds(fixed, tasks, clones) == set()


@pytest.mark.parametrize("name", GENERATIONS)
def test_n230_a_page_becomes_shared_while_its_failure_is_dealt_with(name) -> None:
    fixed = PROTOCOLS[f"{name}-fixed"].patches
    one = program({"injector": ["memory_failure(file0, 0)"], "other": ["load(file1, 0)"]}, files=FILES, clones=CLONE)
    one = replace(one, machine=replace(one.machine, rmapbt=False))
    without = kinds_of(one, [patch for patch in fixed if patch is not FixFailureReadsNameOnce])
    # It stops at the mark, or unlocks the entry that the count stands for.
    assert without >= {"kernel-warning", "association"}
    assert kinds_of(one, fixed) == set()


def test_n230_a_count_is_taken_for_no_index() -> None:
    """The page is shared between the two looks at it: what the second one finds counts files, and is an index, too."""
    tasks = {"injector": ["memory_failure(file0, 0)"], "other": ["load(file1, 0)"]}
    one = program(tasks, files={"file0": 3, "file1": 3}, clones=CLONE)
    one = replace(one, machine=replace(one.machine, rmapbt=False))
    sim = simulate(one, protocol="refcount-1-fixed", filesystem="xfs")
    run(
        sim,
        ("injector", "dax_lock_page.lock"),
        ("injector", "still_names.read"),
        ("injector", "+"),
        ("other", ""),
        ("injector", ""),
        ("other", ""),
    )
    assert sim.kernel.pages[0].mapping.value is COW
    assert not any(page.hwpoison.value for page in sim.kernel.pages)


def test_a_page_of_a_shared_pmd_is_copied_into_a_slot_of_its_own() -> None:
    fixed = PROTOCOLS["refcount-1-fixed"].patches
    tasks = {"mapper": ["load(file1, 0)", "fallocate(file0, PUNCH_HOLE, 0, 1)", "store(file1, 1)"]}
    files = {"file0": 2, "file1": 2}
    assert FixPmdMakesWay in fixed
    without = kinds([patch for patch in fixed if patch is not FixPmdMakesWay], tasks, CLONE, files)
    assert without & {"association", "stale-pte", "kernel-warning"}
    assert kinds(fixed, tasks, CLONE, files) == set()


def test_a_read_of_a_page_leaves_the_entry_of_a_partly_shared_pmd_alone() -> None:
    tasks = {
        "pinner": ["reflink(file1, 1, file0, 0, 1)", "r0 = pin_user_pages(file1, 0, 2, READ_ONLY)"],
        "truncator": ["truncate(file1, 0)"],
    }
    one = program(tasks, files={"file0": 1, "file1": 2})
    one = replace(one, setup=replace(one.setup, huge=True))
    fixed = PROTOCOLS["refcount-1-fixed"].patches
    assert one_preemption(one, [each for each in fixed if each is not FixPmdMakesWay]) == {"stale-pte"}
    assert one_preemption(one, fixed) == set()


def test_a_copy_that_fails_loses_nothing_that_was_dirty() -> None:
    tasks = {"mapper": ["store(file0, 0)", "unbind()"], "writer": [WRITE, "fsync(file0)"]}
    one = program(tasks, files={"file0": 1, "file1": 2}, clones=CLONE)
    assert one_preemption(one, PROTOCOLS["pin-wait-fixed"].patches) == set()


def one_preemption(one: Program, patches) -> set[str]:
    """The kinds of what up to one preemption finds."""
    sim = Simulation(one, compose(patches).subsystems, "xfs")
    attach(sim)
    found = (verdict(execution) for execution in executions(sim, simple=2000, random=0))
    return {each.kind for each in found if each is not None}


def test_n203_no_file_is_evicted_under_mf_mutex() -> None:
    fixed = PROTOCOLS["series-v3-fixed"].patches
    tasks = {
        "injector": ["unlink(file0)", "madvise(file0, MADV_HWPOISON, 0, 1)"],
        "mapper": ["munmap(file0)"],
        "injector1": ["madvise(file0, MADV_HWPOISON, 0, 1)"],
    }
    one = program(tasks)
    one = replace(one, setup=replace(one.setup, mms={"mm0": tuple(tasks)}))
    sim = Simulation(one, compose([each for each in fixed if each is not FixFailedInodeLater]).subsystems, "xfs")
    attach(sim)
    trip(sim, "deadlock", simple=5000, random=1000)
    assert_silent(simulate(one, protocol="series-v3-fixed", filesystem="xfs"), simple=500, random=100)


def test_n111_a_folio_that_files_share_has_one_size() -> None:
    fixed = PROTOCOLS["refcount-0-fixed"].patches
    files = {"file0": 2, "file1": 2}
    narrow = [patch for patch in fixed if patch not in (FixSharedSizes, FixPmdMakesWay)]
    for tasks in ({"a": ["load(file1, 0)"]}, {"a": ["munmap(file0)", "load(file1, 0)"], "b": ["load(file0, 0)"]}):
        found = kinds(narrow, tasks, CLONE, files)
        assert found & {"association", "kernel-warning"}
        # A PMD that makes way comes too late.
        assert kinds([*narrow, FixPmdMakesWay], tasks, CLONE, files) == found
        assert kinds([*narrow, FixSharedSizes], tasks, CLONE, files) == set()


def test_n111_neither_has_what_is_just_being_shared() -> None:
    tasks = {"cloner": ["reflink(file0, 0, file1, 0, 2)", "load(file1, 0)"], "mapper": ["load(file0, 0)"]}
    one = program(tasks, files={"file0": 2, "file1": 2})
    one = replace(one, setup=replace(one.setup, huge=True))
    narrow = [patch for patch in PROTOCOLS["refcount-0-fixed"].patches if patch is not FixSharedSizes]
    sim = Simulation(one, compose(narrow).subsystems, "xfs")
    attach(sim)
    trip(sim, "association", simple=500, random=0)
    assert_silent(simulate(one, protocol="refcount-0-fixed", filesystem="xfs"), simple=500, random=10)


def test_v6_7_the_source_of_a_clone_can_be_read_meanwhile() -> None:
    tasks = {"cloner": ["reflink(file0, 0, file1, 0, 1)"], "reader": ["load(file0, 0)"], "writer": ["store(file0, 0)"]}
    blocked = {}
    for name in ("refcount-1", "refcount-0"):
        sim = simulate(program(tasks, files=FILES), protocol=name, filesystem="xfs", oracles=())
        seen = []

        def look(sim=sim, seen=seen) -> None:
            seen.extend(sim.task(each).point is not None for each in ("reader", "writer"))

        run(sim, ("cloner", "xfs_reflink_remap_blocks.lock"), ("reader", ""), ("writer", ""), look, ("cloner", ""))
        blocked[name] = seen
    assert blocked == {"refcount-1": [True, True], "refcount-0": [False, True]}


def test_f25_a_pin_of_several_pages_does_not_wait_for_itself() -> None:
    """The PMD entry covers both pages; the copy of the second one has to wait for the pin of the first one."""
    tasks = {"cloner": ["reflink(file0, 1, file1, 0, 1)"], "pinner": ["r0 = pin_user_pages(file0, 0, 2)"]}
    one = program(tasks, files={"file0": 2, "file1": 1})
    one = replace(one, setup=replace(one.setup, huge=True))
    assert_silent(simulate(one, protocol="refcount-1-fixed", filesystem="xfs"), simple=150, random=10)
