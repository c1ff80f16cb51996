"""Eviction by memory reclaim shows F-31 without its repairs, and is gone with them."""

from __future__ import annotations

import pytest
from kernel_kit import Steered
from oracle_kit import LIMIT, assert_silent, executions, program, simulate, trip

from daxfuzz.program.case import Program
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.protocols.repairs.lru_pins_inode import FixLruPinsInode
from daxfuzz.protocols.repairs.prune_spares_busy import FixPruneSparesBusy
from daxfuzz.sim import Stepper

TWO = {"file0": 1, "file1": 1}
PIN = ["r0 = pin_user_pages(file0, 0)", "munmap(file0)"]
ALLOCATE = ["munmap(file1)", "mmap(file1)", "load(file1, 0)"]
OWN = program({"hoarder": [*PIN, *ALLOCATE, "unpin_user_pages(r0)"]}, files=TWO, low_memory=True)
OTHERS = program(
    {
        "pinner": [*PIN, "munmap(file1)", "unpin_user_pages(r0)"],
        "allocator": ["munmap(file1)", "mmap(file1)", "load(file1, 0)"],
    },
    files=TWO,
    mms={"mm0": ("pinner", "allocator")},
    low_memory=True,
)
UNLINKED = program(
    {"hoarder": [*PIN, *ALLOCATE, "unpin_user_pages(r0)"], "evictor": ["unlink(file0)"]}, files=TWO, low_memory=True
)
JOURNAL = program(
    {
        "evictor": ["munmap(file0)", "unlink(file0)"],
        "reader": ALLOCATE,
        "writer": ["munmap(file1)", "mmap(file1)", "store(file1, 0)"],
        "committer": ["fallocate(file1, ALLOCATE, 0, 1)", "fsync(file1)"],
    },
    files=TWO,
    low_memory=True,
)


def without(repair: type[Repair], of: Program, protocol: str, filesystem: str) -> Simulation:
    repairs = [each for each in PROTOCOLS[protocol].repairs if each is not repair]
    return simulate(of, *repairs, protocol=protocol, filesystem=filesystem)


@pytest.mark.parametrize("of", [OWN, OTHERS], ids=["its own pin", "the pin of who waits for a lock"])
@pytest.mark.parametrize("protocol", ["refcount-1", "series-v3", "refcount-0"])
def test_reclaim_waits_for_pins_of_a_file_of_fuse(protocol: str, of: Program) -> None:
    violation = trip(without(FixPruneSparesBusy, of, protocol, "fuse"), "deadlock")
    assert "page_idle" in violation.channel
    assert_silent(simulate(of, protocol=f"{protocol}-fixed", filesystem="fuse"))


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_reclaim_evicts_what_is_unlinked_meanwhile(filesystem: str) -> None:
    sim = without(FixLruPinsInode, UNLINKED, "refcount-1", filesystem)
    scheduler = Steered(("hoarder", "find_lock_entries.find"), ("evictor", ""), ("hoarder", ""))
    execution = Stepper(sim.world).run(scheduler, LIMIT)
    assert execution.violation is not None
    assert execution.violation.kind == "deadlock"
    assert execution.violation.tasks == ("hoarder",)
    assert_silent(simulate(UNLINKED, protocol="refcount-1-fixed", filesystem=filesystem))


def test_a_pin_that_nobody_needs_reclaim_for_is_no_deadlock() -> None:
    """The owner of the pin goes on; what it keeps is its user's business."""
    of = program({"pinner": PIN, "allocator": ALLOCATE}, files=TWO, low_memory=True)
    sim = without(FixPruneSparesBusy, of, "refcount-1", "fuse")
    seen = 0
    for execution in executions(sim):
        seen += 1
        assert execution.violation is None
        # It should not have slept with these locks held all the same.
        assert {each.kind for each in execution.deferred} <= {"careless-sleep"}
    assert seen >= 100


def test_reclaim_waits_for_a_commit_that_waits_for_a_fault_on_the_same_entry() -> None:
    played = (
        ("evictor", "do_unlinkat.lock"),
        ("committer", "complete.commit"),
        ("reader", "find_lock_entries.find"),
        ("evictor", ""),
        ("writer", ""),
        ("committer", ""),
        ("reader", ""),
    )
    sim = without(FixLruPinsInode, JOURNAL, "refcount-1", "ext4")
    execution = Stepper(sim.world).run(Steered(*played), LIMIT)
    assert execution.violation is not None
    assert execution.violation.kind == "deadlock"
    assert execution.violation.tasks == ("reader", "committer", "writer")
    assert_silent(simulate(JOURNAL, protocol="refcount-1-fixed"))


@pytest.mark.parametrize("protocol", ["refcount-1", "series-v3", "refcount-0"])
def test_a_file_that_reclaim_looks_at_keeps_its_name_and_its_inode(protocol: str) -> None:
    """Who unlinks it meanwhile, with a page of it in use, finds it; and nobody tears it down under the look."""
    sim = simulate(UNLINKED, protocol=f"{protocol}-fixed", filesystem="fuse")
    scheduler = Steered(("hoarder", "any_page_in_use.lock"), ("evictor", ""), ("hoarder", ""))
    execution = Stepper(sim.world).run(scheduler, LIMIT)
    assert execution.violation is None
    assert sim.results[1] == [0]
    assert_silent(sim)
