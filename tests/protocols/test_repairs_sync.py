"""N-200: a synchronous fault below a PMD entry is served, unless a PMD was mapped there meanwhile."""

from __future__ import annotations

from kernel_kit import Steered
from oracle_kit import LIMIT, assert_silent, program, simulate

from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.protocols.repairs.sync_pte_below_pmd import FixSyncPteBelowPmd
from daxfuzz.sim import Stepper

HALF_SHARED = ["load(file1, 0)", "fallocate(file0, PUNCH_HOLE, 0, 1)", "munmap(file1)", "mmap(file1, MAP_SYNC)"]
THREADS = program(
    {"a": [*HALF_SHARED, "store(file1, 0)"], "b": ["store(file0, 1)", "load(file1, 1)"]},
    files={"file0": 2, "file1": 2},
    mms={"mm0": ("a", "b")},
    clones={"file1": "file0"},
)
MEANWHILE = (("a", "dax_insert_pfn_mkwrite.lock"), ("b", ""), ("a", ""))


def test_a_synchronous_fault_below_a_pmd_entry_is_tried_for_ever_without_the_repair() -> None:
    repairs = [each for each in PROTOCOLS["refcount-1"].repairs if each is not FixSyncPteBelowPmd]
    sim = simulate(THREADS, *repairs, protocol="refcount-1", filesystem="xfs")
    violation = Stepper(sim.world).run(Steered(("a", "")), LIMIT).violation
    assert violation is not None
    assert violation.kind == "livelock"


def test_it_looks_whether_another_thread_has_mapped_the_pmd_meanwhile() -> None:
    sim = simulate(THREADS, protocol="refcount-1-fixed", filesystem="xfs")
    steered = Steered(*MEANWHILE)
    assert Stepper(sim.world).run(steered, LIMIT).violation is None
    steered.finish()
    assert sim.results == [[0, 0, 0, 0, 1004], [2000, 0]]
    assert_silent(sim, simple=100, random=20)
