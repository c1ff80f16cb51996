"""fork and exit: what a child gets, and what stays its parent's own."""

from __future__ import annotations

import pytest
from kernel_kit import run, simulate
from oracle_kit import assert_silent, program
from oracle_kit import simulate as watched

from daxfuzz.kernel.mm import Pte
from daxfuzz.program.simulation import UNBORN, USER

PRIVATE = "mmap(file0, MAP_PRIVATE)"


def test_a_child_does_not_run_before_it_is_forked() -> None:
    sim = simulate({"parent": ["load(file0, 0)", "fork(child)"], "child": ["load(file0, 0)"]})
    child = sim.task("child")
    seen = []
    run(
        sim,
        ("parent", "walk.read"),
        lambda: seen.append((child.runnable, child.operation, sim.kernel.mms[1].vmas.value)),
        ("parent", ""),
        lambda: seen.append((child.runnable, child.operation, len(sim.kernel.mms[1].vmas.value))),
        ("child", "+"),
        lambda: seen.append((child.runnable, child.operation)),
    )
    assert seen == [(False, UNBORN, ()), (True, UNBORN, 1), (True, USER)]
    assert sim.results == [[0, 0], [0]]


def test_a_child_that_nobody_forks_never_runs_and_nothing_hangs() -> None:
    of = program({"parent": ["munmap(file0)", "load(file0, 0)", "fork(child)"], "child": ["load(file0, 0)"]})
    sim = watched(of, protocol="refcount-1-fixed")
    assert_silent(sim)
    assert sim.results == [[0, "SIGSEGV"], []]


def test_a_child_is_forked_once_and_by_another_process_before_it() -> None:
    tasks = {"a": ["fork(c)", "fork(c)", "fork(a)", "fork(b)"], "b": ["fork(a)"], "c": ["load(file0, 0)"]}
    sim = simulate(tasks, mms={"mm0": ("a", "b"), "mm1": ("c",)})
    run(sim)
    assert sim.results[:2] == [[0, -11, -22, -22], [-22]]


def test_a_thread_cannot_close_a_file_that_fork_is_copying() -> None:
    tasks = {"a": ["fork(b)"], "c": ["unlink(file0)", "close(file0)"], "b": ["mmap(file0)", "store(file0, 0)"]}
    sim = simulate(tasks, mms={"mm0": ("a", "c"), "mm1": ("b",)}, prefault=False)
    inode = sim.kernel.inodes["file0"]
    seen = []
    # c has nothing but the descriptor left; it waits for file_lock, and fork has taken its reference then.
    run(
        sim,
        ("a", "get_file.add"),
        ("c", ""),
        lambda: seen.append((sim.kernel.mms[0].files.open, inode.i_count.value > 0)),
        ("a", ""),
        ("c", ""),
        lambda: seen.append((sim.kernel.mms[0].files.open, inode.i_count.value > 0)),
    )
    assert seen == [((inode.number,), True), ((), True)]


def test_page_tables_of_shared_mappings_are_left_to_faults() -> None:
    sim = simulate({"parent": ["store(file0, 0)", "fork(child)"], "child": ["load(file0, 0)"]})
    seen = []
    run(sim, ("parent", ""), lambda: seen.append(sim.kernel.mms[1].slots[0].value))
    assert seen == [None]
    assert sim.results[1] == [1000]
    assert [vma.mm.index for vma in sim.kernel.inodes["file0"].i_mapping.i_mmap.value] == [0, 1]


def test_private_pages_are_shared_read_only() -> None:
    sim = simulate({"parent": [PRIVATE, "store(file0, 0)", "fork(child)"], "child": ["load(file0, 0)"]})
    run(sim)
    first = sim.kernel.device_pages
    page = sim.kernel.pages[first]
    assert [mm.slots[0].value for mm in sim.kernel.mms] == [Pte(first, dirty=True)] * 2
    assert (page.refcount.value, page.mapcount.value, page.anon_exclusive.value) == (2, 2, False)
    assert sim.results[1] == [1001]
    assert sim.kernel.mms[0].write_protect_seq.value == 2
    # Translations that could write are gone when fork returns.
    assert not any(pte.write for pte in sim.kernel.tlb_of(sim.task("parent")).entries.values())


def test_device_pages_of_a_private_mapping_are_copied_once_it_has_a_private_copy() -> None:
    for touch, copied in (("load(file0, 1)", None), ("store(file0, 1)", Pte(0))):
        tasks = {"parent": [PRIVATE, "load(file0, 0)", touch, "fork(child)"], "child": ["exit()"]}
        sim = simulate(tasks, files={"file0": 2})
        seen = []
        run(sim, ("parent", ""), lambda sim=sim, seen=seen: seen.append(sim.kernel.mms[1].slots[0].value))
        assert seen == [copied]


def test_the_last_one_of_a_page_writes_without_a_copy() -> None:
    tasks = {"parent": [PRIVATE, "store(file0, 0)", "fork(child)", "store(file0, 0)"], "child": ["exit()"]}
    sim = simulate(tasks)
    first = sim.kernel.device_pages
    seen = []
    run(
        sim,
        ("parent", "fork.wake_up_new_task"),
        ("parent", "+"),
        ("child", ""),
        ("parent", ""),
        lambda: seen.append(sim.kernel.mms[0].slots[0].value),
    )
    assert seen == [Pte(first, write=True, dirty=True)]
    assert sim.kernel.free_list.used.count(True) == 1


def test_a_pinned_page_stays_the_parents_and_the_child_gets_a_copy() -> None:
    pin = "r0 = pin_user_pages_fast(file0, 0)"
    sim = simulate({"parent": [PRIVATE, "store(file0, 0)", pin, "fork(child)"], "child": ["load(file0, 0)"]})
    run(sim)
    first = sim.kernel.device_pages
    assert [mm.slots[0].value for mm in sim.kernel.mms] == [
        Pte(first, write=True, dirty=True),
        Pte(first + 1, write=True, dirty=True),
    ]
    assert sim.kernel.pages[first].anon_exclusive.value
    assert sim.results[1] == [1001]


def test_a_plain_reference_does_not_keep_the_page() -> None:
    get = "r0 = get_user_pages_fast(file0, 0)"
    tasks = {"parent": [PRIVATE, "store(file0, 0)", get, "fork(child)", "store(file0, 0)"], "child": ["load(file0, 0)"]}
    sim = simulate(tasks)
    run(sim)
    assert sim.kernel.mms[0].slots[0].value.pfn != sim.registers[0]["r0"][0].page.pfn


def test_a_read_only_pin_of_a_shared_page_unshares_it_first() -> None:
    pin = "r0 = pin_user_pages(file0, 0, READ_ONLY)"
    tasks = {"parent": [PRIVATE, "store(file0, 0)", "fork(child)", pin], "child": ["load(file0, 0)"]}
    sim = simulate(tasks)
    run(sim)
    mine, theirs = (mm.slots[0].value for mm in sim.kernel.mms)
    assert mine.pfn == sim.registers[0]["r0"][0].page.pfn != theirs.pfn
    assert not mine.write


def test_the_last_task_takes_the_mappings_with_it() -> None:
    sim = simulate({"a": ["exit()", "load(file0, 0)"], "b": ["load(file0, 0)", "exit()"]}, mms={"mm0": ("a", "b")})
    seen = []
    run(sim, ("a", ""), lambda: seen.append(len(sim.kernel.mms[0].vmas.value)), ("b", ""))
    assert seen == [1]
    assert sim.results == [["EXIT"], [0, "EXIT"]]
    assert sim.kernel.mms[0].vmas.value == ()
    assert sim.kernel.inodes["file0"].i_mapping.i_mmap.value == ()
    assert all(slot.value is None for slot in sim.kernel.mms[0].slots.values())


RACES = {
    "pins": (
        {
            "parent": [PRIVATE, "store(file0, 0)", "fork(child)", "store(file0, 0)", "load(file0, 0)"],
            "pinner": ["r0 = pin_user_pages_fast(file0, 0)", "dma_write(r0)", "unpin_user_pages(r0)"],
            "child": ["store(file0, 0)", "load(file0, 0)", "exit()"],
        },
        {"mm0": ("parent", "pinner"), "mm1": ("child",)},
    ),
    "truncation": (
        {
            "parent": [PRIVATE, "store(file0, 0)", "fork(child)", "exit()"],
            "child": ["load(file0, 0)", "store(file0, 0)", "exit()"],
            "truncator": ["truncate(file0, 0)"],
        },
        None,
    ),
    "read-only pins": (
        {
            "parent": [PRIVATE, "store(file0, 0)", "fork(child)", "r0 = pin_user_pages_fast(file0, 0, READ_ONLY)"],
            "child": ["r0 = pin_user_pages_fast(file0, 0, READ_ONLY)", "unpin_user_pages(r0)", "store(file0, 0)"],
        },
        None,
    ),
    "kill": (
        {
            "parent": [PRIVATE, "store(file0, 0)", "fork(child)"],
            "child": ["store(file0, 0)"],
            "killer": ["signal(parent, SIGKILL)", "signal(child, SIGKILL)"],
        },
        None,
    ),
}


@pytest.mark.parametrize("name", RACES)
@pytest.mark.parametrize("protocol", ["refcount-1-fixed", "pin-wait-fixed"])
def test_forks_race_with_everything_else_and_nobody_loses_a_page(name, protocol) -> None:
    tasks, mms = RACES[name]
    assert_silent(watched(program(tasks, mms=mms), protocol=protocol), simple=150, random=25)
