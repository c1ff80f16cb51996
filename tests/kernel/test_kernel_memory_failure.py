"""Memory failure of device pages: who is signalled, what is unmapped, what it waits for."""

from __future__ import annotations

import pytest
from kernel_kit import Steered, add_task, run, simulate

from daxfuzz.kernel.dax_lock import NOT_LOCKED
from daxfuzz.kernel.machine import Machine
from daxfuzz.kernel.page import COW
from daxfuzz.search import labels_of
from daxfuzz.sim import Scheduler, Signal, Stepper, Violation

INJECT = ["madvise(file0, MADV_HWPOISON, 0, 1)"]


def mapped(sim, mm: int, address: int = 0) -> bool:
    return sim.kernel.mms[mm].slots[address].value is not None


@pytest.mark.parametrize("filesystem", ["ext4", "device-dax"])
def test_an_own_mapping_goes_and_comes_back_with_the_next_fault(filesystem) -> None:
    sim = simulate({"a": INJECT, "b": ["load(file0, 0)"]}, filesystem=filesystem)
    seen = []
    run(sim, ("a", ""), lambda: seen.append((mapped(sim, 0), mapped(sim, 1))), ("b", ""))
    assert seen == [(False, False)]
    # Faults do not look at PG_hwpoison.
    assert mapped(sim, 1)
    assert sim.kernel.pages[0].hwpoison.value
    assert sim.results == [[0], [0]]


def test_a_failure_by_number_signals_and_unmaps_nobody_who_does_not_map_it() -> None:
    sim = simulate({"a": ["memory_failure(file0, 0)"], "b": ["load(file0, 0)"]})
    run(sim, ("a", ""), lambda: None)
    assert sim.kernel.pages[0].hwpoison.value
    assert mapped(sim, 1)


def test_a_failure_sends_a_signal_to_who_maps_the_page() -> None:
    sim = simulate({"a": [*INJECT, "load(file0, 0)"]})
    sent = []
    run(sim, ("a", "unmap_and_kill.signal"), ("a", "+"), lambda: sent.append(sim.world.tasks[0].signal), ("a", ""))
    assert sent == [Signal.PENDING]
    assert sim.results == [[0, 0]]


def test_a_hole_has_no_block_to_fail_but_the_zero_page() -> None:
    sim = simulate({"a": ["memory_failure(file0, 0)", *INJECT]}, prefault=False)
    run(sim)
    assert sim.results == [[-22, -16]]


def test_it_waits_for_a_locked_entry_and_looks_the_page_up_again() -> None:
    sim = simulate({"a": ["memory_failure(file0, 0)"], "s": ["fsync(file0)"], "t": ["truncate(file0, 0)"]})
    asleep = []
    run(
        sim,
        ("s", "dax_flush.load"),
        ("a", ""),
        lambda: asleep.append(sim.world.tasks[0].asleep),
        ("s", ""),
        ("t", ""),
        ("a", ""),
    )
    assert asleep == [True]
    # The page has left the file meanwhile.
    assert sim.results == [[-16], [0], [0]]
    assert not sim.kernel.pages[0].hwpoison.value


def test_a_truncation_waits_until_the_failure_is_dealt_with() -> None:
    sim = simulate({"a": ["memory_failure(file0, 0)"], "t": ["truncate(file0, 0)"]})
    run(sim, ("a", "mf_generic_kill_procs.write"), ("t", ""), ("a", ""))
    assert sim.results == [[0], [0]]
    assert sim.kernel.inodes["file0"].extents[0].value is None


def test_failures_are_handled_one_at_a_time() -> None:
    sim = simulate({"a": ["memory_failure(file0, 0)"], "b": ["memory_failure(file0, 0)"]})
    waiting = []
    run(sim, ("a", "mf_generic_kill_procs.write"), ("b", ""), lambda: waiting.append(sim.world.tasks[1].blocked_on))
    assert waiting == [sim.kernel.mf_mutex]
    assert sim.results == [[0], [0]]


def test_nothing_fails_on_a_device_that_is_gone() -> None:
    sim = simulate({"a": ["memory_failure(file0, 0)"], "u": ["unbind()"]})
    run(sim, ("u", ""))
    assert sim.results == [[-6], [0]]


def test_without_reverse_mappings_xfs_leaves_a_failure_to_the_generic_path() -> None:
    calls = {"a": ["memory_failure(file0, 0)"]}
    for rmapbt, path in ((True, "xfs_dax_notify_ddev_failure"), (False, "mf_generic_kill_procs")):
        sim = simulate(calls, filesystem="xfs", machine=Machine(rmapbt=rmapbt))
        functions = {label.function for label in labels_of(sim.world, Stepper(sim.world).run(Scheduler()).turns)}
        assert path in functions
        assert sim.results == [[0]]


def test_a_shared_page_is_dereferenced_as_a_mapping() -> None:
    violation, _ = fail_shared_page()
    assert violation is not None
    assert "PAGE_MAPPING_DAX_COW" in violation.message


def test_a_repaired_failure_of_a_shared_page_says_that_it_is_busy() -> None:
    assert fail_shared_page("fix-shared-page-failure") == (None, [-16])


def fail_shared_page(*patches: str) -> tuple[Violation | None, list[object]]:
    sim = simulate({"a": []}, patches=patches, prefault=False)

    async def body() -> int:
        await sim.kernel.pages[0].mapping.write(COW)
        return await sim.kernel.memory_failure.memory_failure(0, 0)

    returned = add_task(sim, "x", body)
    return Stepper(sim.world).run(Steered()).violation, returned


def fail_range(mapped: bool, *patches: str) -> Violation | None:
    """A task with or without a mapping of a file of two pages fails both."""
    sim = simulate({"a": ["load(file0, 0)"]}, patches=patches, files={"file0": 2})
    kernel = sim.kernel

    async def body() -> int:
        return await kernel.memory_failure.mf_dax_kill_procs(kernel.inodes["file0"].i_mapping, 0, 2, 0, 0)

    returned = add_task(sim, "x", body)
    if mapped:
        kernel.mm_of[1] = kernel.mms[0]
    violation = Stepper(sim.world).run(Steered(("x", ""))).violation
    if violation is None:
        assert returned == [0]
        assert [page.hwpoison.value for page in kernel.pages[:2]] == [True, True]
    return violation


def test_a_range_is_failed_index_by_index() -> None:
    assert fail_range(False) is None


def test_the_second_page_of_a_range_walks_the_list_of_the_first() -> None:
    violation = fail_range(True)
    assert violation is not None
    assert violation.kind == "use-after-free"
    assert fail_range(True, "fix-kill-list") is None


def test_an_index_without_a_block_needs_no_lock() -> None:
    sim = simulate({"a": []}, prefault=False)
    mapping = sim.kernel.inodes["file0"].i_mapping
    returned = add_task(sim, "x", lambda: sim.kernel.dax_lock.dax_lock_mapping_entry(mapping, 0))
    run(sim)
    assert returned == [(NOT_LOCKED, None)]


@pytest.mark.parametrize(("fix", "found"), [((), True), (("fix-kill-list",), False)])
def test_the_end_of_a_device_fails_the_pages_of_an_extent_together(fix: tuple[str, ...], found: bool) -> None:
    sim = simulate({"a": ["load(file0, 0)", "unbind()"]}, patches=fix, filesystem="xfs", files={"file0": 3})
    violation = Stepper(sim.world).run(Steered()).violation
    assert (violation is not None and violation.kind == "use-after-free") == found
    assert len(sim.results[0]) == (1 if found else 2)


def test_blocks_of_one_record_are_consecutive_pages_of_one_file() -> None:
    sim = simulate({"a": []}, filesystem="xfs", files={"file0": 2, "file1": 2})
    kernel = sim.kernel
    records = []

    async def body() -> int:
        # Block 2 is the first file's page 0, too; blocks 2 and 3 are the second file's pages in the wrong order.
        kernel.allocator.table[:4] = [((0, 0),), ((0, 1),), ((0, 0), (1, 1)), ((1, 0),)]
        records.extend(await kernel.fs.xfs_rmap_query_range(range(4)))
        return 0

    add_task(sim, "x", body)
    Stepper(sim.world).run(Steered())
    assert records == [(0, 0, 0, 2), (0, 0, 2, 1), (1, 1, 2, 1), (1, 0, 3, 1)]
