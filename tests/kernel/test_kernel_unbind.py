"""Removal of the device: what it waits for, what it leaves behind, and what repairs it."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from kernel_kit import Steered, program, run, simulate

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.errno import EINVAL, EIO
from daxfuzz.kernel.inode import Unwritten
from daxfuzz.oracles.registry import attach
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.registry import build
from daxfuzz.protocols.registry import protocol as protocol_named
from daxfuzz.search import MEMORYLESS, RoundRobin, make_scheduler
from daxfuzz.sim import Signal, Stepper, Violation
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
        for name in MEMORYLESS:
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
    pytest.param(
        "fix-unbind-breaks", "refcount-0", "ext4", {"a": ["fsync(file0)"]}, {}, "use-after-free", id="F-23-refcount-0"
    ),
    *(
        pytest.param(
            "fix-removal-spares-busy",
            "refcount-0",
            "xfs",
            {"a": [f"r0 = get_user_pages(file0, {page})", "put_page(r0)"]},
            {"files": {"file0": 2}, "prefault": False},
            kind,
            id=f"N-220-{kind}",
        )
        for page, kind in ((0, "kernel-warning"), (1, "refcount-underflow"))
    ),
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
    pytest.param(
        "fix-devdax-unmaps", "series-v1", "device-dax", {"a": ["load(file0, 0)"]}, {}, "stale-pte", id="F-23-series-v1"
    ),
    pytest.param("fix-unbind-waits", "series-v1", "device-dax", {"a": GET}, {}, "use-after-free", id="F-13b-device"),
    pytest.param("fix-unbind-waits", "series-v1", "ext4", {"a": PIN}, {}, "use-after-free", id="F-13b"),
    *(
        pytest.param(
            "fix-lock-char-entry",
            protocol,
            "device-dax",
            {"a": ["memory_failure(file0, 0)"]},
            {},
            "kernel-warning",
            id=f"N-44-{protocol}",
        )
        for protocol in ("series-v1", "series-v3")
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


@pytest.mark.parametrize(("repairs", "kind"), [(("fix-free-under-rcu",), "use-after-free"), ((), None)])
def test_n43_the_last_put_looks_at_a_page_that_is_gone(repairs, kind) -> None:
    tasks = {"a": [PIN[0], "munmap(file0)", PIN[1]], "u": UNBIND}
    sim = simulate(tasks, *without("refcount-0", *repairs))
    attach(sim)
    put = ("a", "folio_put_refs.update"), ("a", "+")
    execution = Stepper(sim.world).run(Steered(*put, *put, ("u", ""), ("a", ""), ("u", "")), 2_000)
    assert (execution.violation.kind if execution.violation else None) == kind
    assert execution.stuck == ()


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


@pytest.mark.parametrize("protocol", ["refcount-1", "series-v1", "series-v3"])
def test_removal_waits_for_the_eviction_of_a_file(protocol) -> None:
    assert not kinds({"e": ["unlink(file0)"], "u": UNBIND}, without(protocol), seeds=150)


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
@pytest.mark.parametrize("mode", ["COLLAPSE_RANGE", "INSERT_RANGE"])
def test_what_is_moved_without_a_disk_stays_where_it_was(filesystem, mode) -> None:
    shrink, move = "truncate(file0, 2)", f"fallocate(file0, {mode}, 0, 1)"
    where = {"filesystem": filesystem, "files": {"file0": 3}}
    moved = simulate({"t": [shrink, move]}, *without("refcount-1"), **where)
    kept = simulate({"t": [shrink, "unbind()", move]}, *without("refcount-1"), **where)
    run(moved)
    run(kept)
    assert [extent.value for extent in kept.kernel.inodes["file0"].extents] == [
        extent.value for extent in moved.kernel.inodes["file0"].extents
    ]
    owners = {0: ((0, 0),), 1: ((0, 1),)}
    assert {pfn: kept.kernel.allocator.table[pfn] for pfn in owners} == owners
    assert {pfn: moved.kernel.allocator.table[pfn] for pfn in owners} != owners


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


@pytest.mark.parametrize("protocol", ["series-v1", "series-v3"])
def test_f32_removal_waits_for_an_entry_that_nobody_deletes(protocol) -> None:
    tasks = {"a": ["store(file0, 0)"], "u": UNBIND}
    unrepaired = without(protocol, "fix-unbind-invalidates", "fix-entries-hold-device")
    assert "deadlock" in kinds(tasks, unrepaired)
    assert kinds(tasks, without(protocol, "fix-unbind-invalidates")) == set()
    assert kinds(tasks, without(protocol)) == set()


def test_f32_a_pin_of_another_page_does_not_explain_the_wait() -> None:
    tasks = {"a": PIN[:1], "u": UNBIND}
    unrepaired = without("series-v3", "fix-unbind-invalidates", "fix-entries-hold-device")
    assert kinds(tasks, unrepaired, files={"file0": 2}) == {"deadlock"}
    assert kinds(tasks, without("series-v3"), files={"file0": 2}) == set()


def test_n62_a_zapped_entry_outlives_its_page() -> None:
    tasks = {"t": ["truncate(file0, 1)"], "u": [*UNBIND, "truncate(file0, 0)"]}
    setup = {"files": {"file0": 2}}
    unrepaired = without("series-v3", "fix-unbind-invalidates", "fix-zapped-entries-stay")
    assert "use-after-free" in kinds(tasks, unrepaired, **setup)
    assert kinds(tasks, without("series-v3", "fix-unbind-invalidates"), **setup) == set()
    assert kinds(tasks, without("series-v3"), **setup) == set()


@pytest.mark.parametrize("filesystem", ["ext4", "device-dax"])
@pytest.mark.parametrize("release", [True, False])
def test_the_third_version_waits_for_whoever_holds_a_page(filesystem, release) -> None:
    tasks = {"a": PIN if release else PIN[:1], "u": UNBIND}
    sim = simulate(tasks, *without("series-v3"), filesystem=filesystem)
    attach(sim)
    execution = Stepper(sim.world).run(
        Steered(("a", "page_ref_sub_return.update" if release else ""), ("u", ""), ("a", "")), 2_000
    )
    assert verdict(execution) is None
    assert execution.stuck == (() if release else (1,))


@pytest.mark.parametrize(("protocol", "held"), [("series-v1", [1, 1, 1]), ("series-v3", [0, 1, 0])])
def test_a_character_device_has_entries_since_patch_12(protocol, held) -> None:
    sim = simulate({"a": ["store(file0, 0)"], "u": UNBIND}, *without(protocol), filesystem="device-dax", prefault=False)
    seen = []
    i_pages = sim.kernel.inodes["file0"].i_mapping.i_pages

    def look() -> None:
        seen.append((sim.kernel.pages[0].refcount.value, [entry.real for entry in i_pages.entries.values()]))

    run(sim, look, ("a", ""), look, ("u", "memunmap_pages.kill"), look)
    assert [count for count, _ in seen] == held
    assert [entries for _, entries in seen] == [[], [True], []]
    assert sim.results == [[1000], [0]]


@pytest.mark.parametrize(
    ("protocol", "inside", "waits"),
    [("series-v1:11", "dax_set_mapping.write", False), ("series-v1:12", "dax_unlock_entry.lock", True)],
)
def test_faults_of_a_character_device_wait_for_the_entry_since_patch_12(protocol, inside, waits) -> None:
    tasks = {"a": ["store(file0, 0)"], "b": ["store(file0, 0)"]}
    sim = simulate(tasks, protocol, filesystem="device-dax", prefault=False)
    asleep = []
    run(sim, ("a", inside), ("b", ""), lambda: asleep.append(sim.world.tasks[1].blocked_on is not None))
    assert asleep == [waits]


def test_an_unwritten_block_that_cannot_be_zeroed_stays_the_files() -> None:
    tasks = {"a": ["fallocate(file0, ZERO_RANGE, 0, 1)", "unbind()", "store(file0, 0)"]}
    sim = simulate(tasks, "refcount-1-fixed")
    run(sim)
    extent = sim.kernel.inodes["file0"].extents[0].value
    assert isinstance(extent, Unwritten)
    assert sim.kernel.allocator.table[extent.pfn] == ((sim.kernel.inodes["file0"].number, 0),)
    assert sim.results == [[0, 0, "SIGBUS"]]


@pytest.mark.parametrize(("before", "owners"), [([], ((1, 0),)), (["fallocate(file1, PUNCH_HOLE, 0, 1)"], ())])
def test_a_clone_without_a_disk_shares_no_block(before, owners) -> None:
    tasks = {"a": [*before, "unbind()", "reflink(file0, 0, file1, 0, 1)"]}
    sim = simulate(tasks, *without("refcount-1"), filesystem="xfs", files={"file0": 1, "file1": 1})
    run(sim)
    assert sim.kernel.allocator.table[:2] == [((0, 0),), owners]


XFS_CALLS = [
    "write(file0, 0)",
    "truncate(file0, 0)",
    "fallocate(file0, PUNCH_HOLE, 0, 1)",
    "fsync(file0)",
    "reflink(file0, 0, file1, 0, 1)",
    "load(file0, 0)",
]


def test_xfs_is_shut_down_before_its_device_goes_since_v6_8() -> None:
    sim = simulate(
        {"a": ["unbind()", *XFS_CALLS]}, "refcount-0-fixed", filesystem="xfs", files={"file0": 1, "file1": 1}
    )
    seen = []

    def look() -> None:
        seen.append([list(inode.i_mapping.i_pages.entries.values()) for inode in sim.kernel.inodes.values()])

    run(sim, look, ("a", "xfs_force_shutdown.write"), look)
    assert seen == [[[Entry(0)], [Entry(1)]], [[], []]]
    assert sim.results == [[0, *(-EIO for _ in XFS_CALLS[:-1]), "SIGBUS"]]
    assert sim.kernel.allocator.table[:2] == [((0, 0),), ((1, 0),)]


@pytest.mark.parametrize(("protocol", "told"), [("refcount-1-fixed", []), ("refcount-0-fixed", [1, 2])])
def test_each_process_that_maps_the_file_is_told_since_v6_8(protocol, told) -> None:
    tasks = {"u": UNBIND, "a": ["load(file0, 0)"], "b": ["load(file0, 0)"], "c": ["load(file1, 0)"]}
    sim = simulate(
        tasks,
        protocol,
        filesystem="xfs",
        files={"file0": 1, "file1": 1},
        mms={"mm0": ("u",), "mm1": ("a", "c"), "mm2": ("b",)},
    )
    signals = []
    end = "xfs_force_shutdown.write" if protocol == "refcount-0-fixed" else "kill_dax.write"
    run(
        sim,
        ("u", end),
        lambda: signals.append([task.index for task in sim.world.tasks if task.signal is not Signal.NONE]),
    )
    assert signals == [told]


def test_the_freeze_of_the_removal_is_the_kernels_and_that_of_user_space_ends() -> None:
    alone = simulate({"u": UNBIND, "t": ["thaw()"]}, "refcount-0-fixed", filesystem="xfs")
    run(alone, ("u", "xfs_dax_notify_ddev_failure.lock"), ("t", ""))
    assert alone.results == [[0], [-EINVAL]]
    frozen = simulate({"a": ["freeze()", "unbind()", "thaw()"]}, "refcount-0-fixed", filesystem="xfs")
    run(frozen)
    assert frozen.results == [[0, 0, -EINVAL]]


def test_a_device_that_goes_waits_for_the_transaction_of_a_clone() -> None:
    tasks = {"a": ["reflink(file0, 0, file1, 0, 1)"], "u": UNBIND}
    sim = simulate(tasks, *without("refcount-1"), filesystem="xfs", files={"file0": 1, "file1": 1})
    gone = []
    run(
        sim,
        ("a", "xfs_refcount_exchange.free"),
        ("u", ""),
        lambda: gone.append(sim.kernel.q_usage.count == 0),
    )
    assert gone == [False]
    assert sim.kernel.allocator.table[:2] == [((0, 0), (1, 0)), ()]
