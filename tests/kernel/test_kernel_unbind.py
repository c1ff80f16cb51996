"""Removal of the device: what it waits for, what it leaves behind, and what repairs it."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from kernel_kit import Steered, program, run, simulate

from daxfuzz.oracles.registry import attach
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.registry import build
from daxfuzz.protocols.registry import protocol as protocol_named
from daxfuzz.search import STRATEGIES, RoundRobin, make_scheduler
from daxfuzz.sim import Stepper, Violation
from daxfuzz.triage.bench import verdict

PIN = ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"]
GET = ["r0 = get_user_pages(file0, 0)", "put_page(r0)"]
UNBIND = ["unbind()"]


def without(protocol: str, *repairs: str) -> tuple[str, tuple[str, ...]]:
    """A protocol with all its repairs but these, and the names of those that it has."""
    known = [repair.slug() for repair in protocol_named(protocol).repairs]
    assert not set(repairs) - set(known)
    return protocol, tuple(slug for slug in known if slug not in repairs)


def verdicts(tasks, kernel, filesystem="ext4", seeds=60, **setup) -> Iterator[Violation]:
    """What random executions say."""
    protocol, patches = kernel
    sim = Simulation(program(tasks, **setup), build(protocol, patches).subsystems, filesystem)
    attach(sim)
    host = Stepper(sim.world)
    bound = 200
    for seed in range(seeds):
        for name in STRATEGIES:
            execution = host.run(make_scheduler(name, Random(seed), bound), 1_000, RoundRobin())
            bound = max(len(execution.turns), 1)
            said = verdict(execution)
            if said is not None:
                yield said


def kinds(tasks, kernel, filesystem="ext4", **setup) -> set[str]:
    return {said.kind for said in verdicts(tasks, kernel, filesystem, **setup)}


def uses_after_free(tasks, kernel) -> set[str]:
    """Functions that touch what is gone, with files that are holes at first."""
    found = verdicts(tasks, kernel, seeds=150, prefault=False)
    return {said.function for said in found if said.kind == "use-after-free"}


FLAWS = [
    pytest.param("fix-unbind-waits", "refcount-1", "ext4", {"a": PIN}, {}, "use-after-free", id="F-13"),
    pytest.param("fix-unbind-waits", "refcount-1", "device-dax", {"a": GET}, {}, "use-after-free", id="F-13-device"),
    pytest.param(
        "fix-waiter-holds-pagemap",
        "refcount-1",
        "ext4",
        {"a": PIN, "t": ["truncate(file0, 0)"]},
        {},
        "use-after-free",
        id="F-16",
    ),
    pytest.param(
        "fix-unbind-invalidates", "refcount-1", "ext4", {"a": ["load(file0, 0)"]}, {}, "use-after-free", id="F-23"
    ),
    pytest.param(
        "fix-unbind-invalidates", "refcount-1", "ext4", {"a": ["fsync(file0)"]}, {}, "use-after-free", id="F-23-fsync"
    ),
    pytest.param("fix-unbind-invalidates", "refcount-1", "ext4", {"a": GET}, {}, "livelock", id="F-23-gup"),
    pytest.param("fix-wake-without-folio", "pin-wait", "ext4", {"a": PIN}, {}, "use-after-free", id="F-04"),
    pytest.param(
        "fix-put-on-dying-pagemap",
        "refcount-1",
        "device-dax",
        {"a": ["madvise(file0, MADV_HWPOISON, 0, 1)"]},
        {},
        "leak",
        id="C-09",
    ),
]


@pytest.mark.parametrize(("repair", "protocol", "filesystem", "tasks", "setup", "kind"), FLAWS)
def test_each_flaw_is_found_without_its_repair_and_not_with_it(
    repair, protocol, filesystem, tasks, setup, kind
) -> None:
    tasks = tasks | {"u": UNBIND}
    assert kind in kinds(tasks, without(protocol, repair), filesystem, **setup)
    assert kinds(tasks, without(protocol), filesystem, **setup) == set()


@pytest.mark.parametrize("repair", ["fix-fault-holds-device", "fix-unbind-invalidates"])
def test_either_of_two_repairs_keeps_a_fault_under_way_from_what_is_gone(repair) -> None:
    tasks = {"a": ["store(file0, 0)"], "u": UNBIND}
    both = without("refcount-1", "fix-fault-holds-device", "fix-unbind-invalidates")
    assert "associate_page" in uses_after_free(tasks, both)
    assert "associate_page" not in uses_after_free(tasks, (both[0], (*both[1], repair)))


def test_a_device_is_removed_once() -> None:
    sim = simulate({"a": UNBIND, "b": UNBIND})
    run(sim)
    assert sorted(results[0] for results in sim.results) == [-19, 0]
    assert not sim.kernel.dax_alive.value
    assert sim.kernel.pgmap_array.value is None


def test_the_file_system_is_not_asked_and_its_mappings_stay() -> None:
    sim = simulate({"a": ["load(file0, 0)"], "u": UNBIND})
    violation = Stepper(sim.world).run(Steered(("u", ""))).violation
    assert violation is not None
    assert violation.message == "a touches block0 after it was freed"
    assert sim.kernel.inodes["file0"].i_mapping.i_pages.entries
    assert sim.kernel.mms[0].slots[0].value is not None
    assert sim.kernel.pages[0].freed


def test_a_fault_on_a_dead_device_is_a_bus_error() -> None:
    sim = simulate({"a": ["store(file0, 0)"], "u": UNBIND}, prefault=False)
    run(sim, ("u", ""))
    assert sim.results == [["SIGBUS"], [0]]


def test_a_hole_can_be_read_without_a_device() -> None:
    sim = simulate({"a": ["load(file0, 0)"], "u": UNBIND}, prefault=False)
    run(sim, ("u", ""))
    assert sim.results == [[0], [0]]


def test_what_is_truncated_without_a_disk_is_not_free() -> None:
    protocol, patches = without("refcount-1")
    sim = simulate({"a": ["truncate(file0, 0)"], "u": UNBIND}, protocol, patches)
    run(sim, ("u", ""))
    assert sim.results == [[0], [0]]
    assert sim.kernel.allocator.table[0] == ((0, 0),)


def test_removal_waits_for_a_section_that_saw_the_device_alive() -> None:
    protocol, patches = without("refcount-1")
    sim = simulate({"a": ["store(file0, 0)"], "u": UNBIND}, protocol, patches, prefault=False)
    waiting = []
    run(sim, ("a", "associate_page.read"), ("u", ""), lambda: waiting.append(sim.world.tasks[1].blocked_on))
    assert waiting == [sim.kernel.dax_srcu]
    assert sim.results[1] == [0]


def test_a_held_pin_holds_a_repaired_removal_up_by_design() -> None:
    protocol, patches = without("refcount-1")
    sim = simulate({"a": PIN[:1], "u": UNBIND}, protocol, patches)
    attach(sim)
    execution = Stepper(sim.world).run(Steered(("a", "")), 2_000)
    assert execution.violation is None
    assert execution.stuck == (1,)
