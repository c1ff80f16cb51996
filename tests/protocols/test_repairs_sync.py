"""N-200 and N-41: synchronous faults of a page and of a PMD look again what is mapped once the metadata is durable."""

from __future__ import annotations

from functools import partial

import pytest
from kernel_kit import Steered
from oracle_kit import LIMIT, assert_silent, program, simulate

from daxfuzz.kernel.mm import TABLE
from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.protocols.repairs.sync_pmd_over_table import FixSyncPmdOverTable
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


ALONE = program(
    {"a": ["munmap(file0)", "mmap(file0, MAP_SYNC)", "store(file0, 0)"]}, files={"file0": 2}, prefault=False
)


@pytest.mark.parametrize("protocol", ["refcount-1", "pin-wait", "series-v1", "series-v3", "refcount-0"])
def test_a_synchronous_pmd_fault_looks_whether_a_table_has_come_meanwhile(protocol: str) -> None:
    said = []
    repairs = [each for each in PROTOCOLS[protocol].repairs if each is not FixSyncPmdOverTable]
    for kernel in (
        simulate(ALONE, *repairs, protocol=protocol),
        simulate(ALONE, protocol=f"{protocol}-fixed"),
    ):
        messages: list[str] = []
        said.append(messages)
        table = partial(setattr, kernel.kernel.mms[0].pmds[0], "value", TABLE)
        kernel.kernel.on_warn = lambda message, page, messages=messages: messages.append(message)
        steered = Steered(("a", "dax_insert_pfn_mkwrite.lock"), table, ("a", ""))
        assert Stepper(kernel.world).run(steered, LIMIT).violation is None
        steered.finish()
        assert kernel.results == [[0, 0, 1002]]
    assert [len(messages) for messages in said] == [1, 0]
