"""MAP_SYNC: a page becomes writable only when the metadata of its block is durable."""

from __future__ import annotations

import pytest
from kernel_kit import points, run, simulate

from daxfuzz.kernel.mm import Pte
from daxfuzz.kernel.xarray import Mark
from daxfuzz.oracles.registry import attach

SYNC = ["munmap(file0)", "mmap(file0, MAP_SYNC)"]
MMS = {"mm0": ("a",), "mm1": ("b",)}


def dirty(sim) -> bool:
    return sim.kernel.journal.tids[0] > sim.kernel.journal.committed


@pytest.mark.parametrize("pages", [1, 2])
def test_a_write_to_a_hole_is_mapped_after_the_commit(pages) -> None:
    sim = simulate({"a": [*SYNC, "store(file0, 0)"]}, files={"file0": pages}, prefault=False)
    attach(sim)
    kernel = sim.kernel
    mm = kernel.mms[0]
    i_pages = kernel.inodes["file0"].i_mapping.i_pages
    seen: list[object] = []

    def look() -> None:
        leaves = [cell.value for cell in (*mm.slots.values(), *mm.pmds.values()) if isinstance(cell.value, Pte)]
        seen.append((dirty(sim), leaves, list(i_pages.marks[Mark.DIRTY]), i_pages.entries[0].locked))

    run(sim, ("a", "complete.commit"), look, ("a", ""), look)
    # The entry is there, clean and unlocked, and nothing is mapped.
    assert seen == [
        (True, [], [], False),
        (False, [Pte(0, write=True, dirty=True)], [0], False),
    ]
    assert sim.results == [[0, 0, 1002]]


@pytest.mark.parametrize("first", ["fsync(file0)", "load(file0, 0)"])
def test_a_write_whose_block_is_durable_is_mapped_at_once(first) -> None:
    sim = simulate({"a": [*SYNC, "store(file0, 0)", "fsync(file0)", first, "store(file0, 0)"]}, prefault=False)
    attach(sim)
    steps = points(run(sim), 0)
    # Only the first store's fault needs a commit.
    assert steps.count("journal.commit_done") == 1
    assert sim.results[0][-1] == 1005


def test_without_map_sync_nothing_waits_for_the_journal() -> None:
    sim = simulate({"a": ["store(file0, 0)"]}, prefault=False)
    run(sim)
    assert dirty(sim)
    assert sim.kernel.mms[0].slots[0].value == Pte(0, write=True, dirty=True)


def test_a_read_is_never_synchronous() -> None:
    tasks = {"a": [*SYNC, "load(file0, 0)"], "b": ["store(file0, 0)"]}
    sim = simulate(tasks, mms=MMS, prefault=False)
    attach(sim)
    run(sim, ("b", ""), ("a", ""))
    assert dirty(sim)
    assert sim.kernel.mms[0].slots[0].value == Pte(0)


def test_an_entry_that_became_smaller_before_the_commit_sends_the_fault_back() -> None:
    sim = simulate({"a": [*SYNC, "store(file0, 0)"]}, files={"file0": 2}, prefault=False)
    i_pages = sim.kernel.inodes["file0"].i_mapping.i_pages

    def shrink() -> None:
        # What a truncation to nothing and a write to each page would leave.
        entry = i_pages.entries[0]
        i_pages.entries = {0: entry._replace(pmd=False), 1: entry._replace(pmd=False, pfn=entry.pfn + 1)}
        i_pages.spans = {}

    steps = points(
        run(sim, ("a", "dax_insert_pfn_mkwrite.lock"), shrink, ("a", "")),
        0,
    )
    # The second attempt maps the page alone: the metadata is durable by then.
    assert sim.kernel.mms[0].slots[0].value == Pte(0, write=True, dirty=True)
    assert steps.count("journal.commit_done") == 1
    assert sim.results == [[0, 0, 1002]]


def test_truncation_waits_for_the_fault_to_end() -> None:
    tasks = {"a": [*SYNC, "store(file0, 0)"], "t": ["truncate(file0, 0)"]}
    sim = simulate(tasks, prefault=False)
    attach(sim)
    blocked = []
    run(
        sim,
        ("a", "complete.commit"),
        ("t", ""),
        lambda: blocked.append(getattr(sim.task("t").blocked_on, "lock_class", "")),
        ("a", "walk.read"),
        ("t", ""),
    )
    assert blocked == ["invalidate_lock"]
