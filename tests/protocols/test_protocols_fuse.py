"""Each flaw of virtio-fs DAX shows without its repair and is gone with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kernel_kit import Steered
from oracle_kit import LIMIT, assert_silent, program, simulate, trip

from daxfuzz.program.case import Program
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.protocols.repairs.evict_waits import FixEvictWaits
from daxfuzz.protocols.repairs.fuse_whole_file import FixFuseWholeFile
from daxfuzz.protocols.repairs.gup_nowait import FixGupNowait
from daxfuzz.protocols.repairs.inline_reclaim_pointer import FixInlineReclaimPointer
from daxfuzz.protocols.repairs.open_keeps_entries import FixOpenKeepsEntries
from daxfuzz.protocols.repairs.open_unlocks import FixOpenUnlocks
from daxfuzz.protocols.repairs.rescan_after_wake import FixRescanAfterWake
from daxfuzz.protocols.repairs.write_without_faults import FixWriteWithoutFaults
from daxfuzz.sim import ERESTARTSYS, Stepper

PIN = ["r0 = pin_user_pages(file0, 0)", "unpin_user_pages(r0)"]

FLAWS = {
    "F-09 page 1 is mapped": (
        FixFuseWholeFile,
        program({"mapper": ["load(file0, 1)"], "truncator": ["truncate(file0, 0)"]}, files={"file0": 2}),
        "freed-while-mapped",
    ),
    "F-09 page 1 is pinned": (
        FixFuseWholeFile,
        program(
            {
                "pinner": ["r0 = pin_user_pages(file0, 1)", "munmap(file0)", "unpin_user_pages(r0)"],
                "truncator": ["truncate(file0, 0)"],
            },
            files={"file0": 2},
        ),
        "freed-while-pinned",
    ),
    "F-09 punch": (
        FixFuseWholeFile,
        program(
            {
                "pinner": ["r0 = pin_user_pages(file0, 1)", "unpin_user_pages(r0)"],
                "truncator": ["fallocate(file0, PUNCH_HOLE, 1, 1)"],
            },
            files={"file0": 2},
        ),
        "kernel-warning",
    ),
    "N-03": (
        FixOpenUnlocks,
        program({"pinner": PIN, "opener": ["open(file0, O_TRUNC)"], "killer": ["signal(opener)"]}),
        "lock-held",
    ),
    "N-04": (
        FixOpenKeepsEntries,
        program(
            {
                "pinner": ["r0 = pin_user_pages(file0, 0)", "fsync(file0)", "open(file0)", "dma_write(r0)"],
                "worker": ["fuse_dax_free_mem_worker()"],
            },
            window_ranges=1,
        ),
        "freed-while-pinned",
    ),
    "F-06": (
        FixEvictWaits,
        program(
            {
                "pinner": ["r0 = pin_user_pages(file0, 0)", "munmap(file0)", "unpin_user_pages(r0)"],
                "evictor": ["unlink(file0)"],
            }
        ),
        "freed-while-pinned",
    ),
    "N-05": (
        FixWriteWithoutFaults,
        program({"writer": ["pwrite(file0, 0, file1, 0)"]}, files={"file0": 1, "file1": 1}, window_ranges=1),
        "deadlock",
    ),
    "N-05 two writers": (
        FixWriteWithoutFaults,
        program(
            {"writer": ["pwrite(file0, 0, file2, 0)"], "other": ["pwrite(file1, 0, file2, 0)"]},
            files={"file0": 1, "file1": 1, "file2": 1},
            prefault=False,
        ),
        "deadlock",
    ),
    "N-05b": (
        FixGupNowait,
        program(
            {"pinner": ["r0 = get_user_pages_fast(file0, 0, 3)", "put_page(r0)"]}, files={"file0": 3}, window_ranges=1
        ),
        "deadlock",
    ),
    "N-05b with the worker": (
        FixGupNowait,
        program(
            {
                "pinner": ["r0 = pin_user_pages(file0, 0, 3)", "unpin_user_pages(r0)"],
                "worker": ["fuse_dax_free_mem_worker()"],
            },
            files={"file0": 3},
            window_ranges=1,
        ),
        "deadlock",
    ),
}


def on_fuse(of: Program, without: type[Repair] | None) -> Simulation:
    repairs = [each for each in PROTOCOLS["refcount-1"].repairs if each is not without]
    return simulate(of, *repairs, protocol="refcount-1", filesystem="fuse")


@pytest.mark.parametrize("name", FLAWS)
def test_a_flaw_shows_unless_it_is_repaired(name) -> None:
    repair, of, kind = FLAWS[name]
    assert name.split()[0] == repair.flaw
    trip(on_fuse(of, without=repair), kind)
    assert_silent(on_fuse(of, without=None))


@pytest.mark.parametrize("repaired", [False, True])
def test_two_files_share_a_range_that_inline_reclaim_has_lost_during_its_wait(repaired) -> None:
    """N-01: a call that reclaims for file0[2] sleeps on a pin of file0[0]; the worker frees the range meanwhile."""
    of = program(
        {
            "pinner": ["r0 = pin_user_pages(file0, 0)", "dma_write(r0)", "unpin_user_pages(r0)"],
            "worker": ["fuse_dax_free_mem_worker()"],
            "mapper": ["load(file1, 0)"],
            "writer": ["write(file0, 2)"],
        },
        files={"file0": 4, "file1": 1},
        window_ranges=1,
    )
    sim = on_fuse(of, without=None if repaired else FixInlineReclaimPointer)
    wait = (("pinner", "dma_write.store"), ("writer", ""), ("mapper", ""))
    steered = Steered(*wait, ("pinner", ""), ("worker", ""), ("mapper", ""), ("writer", ""))
    violation = Stepper(sim.world).run(steered, LIMIT).violation
    assert sim.results[2] == [0]
    assert (violation and violation.kind) == (None if repaired else "freed-while-mapped")


@pytest.mark.parametrize("protocol", ["refcount-1", "pin-wait"])
def test_the_repairs_belong_to_each_protocol(protocol) -> None:
    repairs = PROTOCOLS[protocol].repairs
    assert {repair for repair, _, _ in FLAWS.values()} <= set(repairs)


def test_a_call_that_cannot_get_all_ranges_returns_the_pages_that_it_has() -> None:
    of = program(
        {"pinner": ["r0 = get_user_pages_fast(file0, 0, 3)", "dma_write(r0)"]}, files={"file0": 3}, window_ranges=1
    )
    sim = on_fuse(of, without=None)
    Stepper(sim.world).run(Steered(), LIMIT)
    assert sim.results[0][0] == 0
    assert [each.page.pfn for each in sim.registers[0]["r0"]] == [0, 1]


def test_neither_a_huge_fault_nor_the_one_on_a_page_after_it_waits_for_who_holds_pages() -> None:
    """A huge fault without a range falls back at once, as ever; it knows, too, that it must not wait."""
    of = program({"pinner": ["r0 = get_user_pages_fast(file0, 0, 4)"]}, files={"file0": 4}, window_ranges=1)
    sim = on_fuse(replace(of, setup=replace(of.setup, huge=True, prefault=False)), without=None)
    fault, seen = sim.kernel.fs.dax_fault, []

    def noted(vmf):
        seen.append((vmf.address % 4, vmf.pages, vmf.nowait))
        return fault(vmf)

    sim.kernel.fs.dax_fault = noted
    Stepper(sim.world).run(Steered(), LIMIT)
    assert seen == [(0, 2, False), (2, 2, True), (2, 1, True)]
    assert [each.page.pfn for each in sim.registers[0]["r0"]] == [0, 1]


def test_who_holds_nothing_waits_for_a_range() -> None:
    of = program(
        {
            "pinner": ["r0 = get_user_pages_fast(file1, 0)", "put_page(r0)"],
            "worker": ["fuse_dax_free_mem_worker()"],
        },
        files={"file0": 1, "file1": 1},
        window_ranges=1,
    )
    sim = on_fuse(of, without=None)
    Stepper(sim.world).run(Steered(("pinner", ""), ("worker", "")), LIMIT)
    assert sim.results == [[0, 0], [0]]


def test_a_write_whose_buffer_is_not_there_goes_by_a_request() -> None:
    of = program(
        {"writer": ["pwrite(file0, 0, file1, 0)", "load(file0, 0)"]}, files={"file0": 1, "file1": 1}, prefault=False
    )
    sim = on_fuse(of, without=None)
    Stepper(sim.world).run(Steered(), LIMIT)
    assert sim.results == [[0, 1000]]
    assert sim.kernel.inodes["file0"].fuse.host_pages[0].value == 1000


STRANGER = program(
    {
        "pinner": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"],
        "truncator": ["truncate(file0, 0)"],
        "worker": ["fuse_dax_free_mem_worker()"],
        "other": ["r1 = pin_user_pages(file1, 0)"],
    },
    files={"file0": 1, "file1": 1},
    window_ranges=1,
)


@pytest.mark.parametrize("protocol", ["refcount-1", "pin-wait", "series-v1", "series-v3", "refcount-0"])
def test_truncate_does_not_wait_for_who_has_got_the_range_meanwhile(protocol: str) -> None:
    """F-15: woken, truncate runs only after another file has the page that it looks at."""
    played = (
        ("pinner", "user_space.call"),
        ("pinner", "+"),
        ("pinner", "user_space.call"),
        ("truncator", ""),
        ("pinner", ""),
        ("worker", ""),
        ("other", ""),
        ("truncator", ""),
    )
    repairs = [each for each in PROTOCOLS[protocol].repairs if each is not FixRescanAfterWake]
    for patches, kind in ((repairs, "waits-for-stranger"), ([*repairs, FixRescanAfterWake], None)):
        sim = simulate(STRANGER, *patches, protocol=protocol, filesystem="fuse")
        violation = Stepper(sim.world).run(Steered(*played), LIMIT).violation
        assert (violation and violation.kind) == kind
    assert_silent(simulate(STRANGER, protocol=f"{protocol}-fixed", filesystem="fuse"))


def test_a_signal_still_ends_the_wait_for_a_busy_page() -> None:
    of = program(
        {
            "pinner": ["r0 = pin_user_pages_fast(file0, 0)"],
            "truncator": ["truncate(file0, 0)"],
            "killer": ["signal(truncator)"],
        }
    )
    sim = simulate(of, protocol="refcount-0-fixed")
    Stepper(sim.world).run(Steered(("pinner", ""), ("truncator", ""), ("killer", "")), LIMIT)
    assert sim.results[1] == [-ERESTARTSYS]


@pytest.mark.parametrize(("protocol", "waits"), [("refcount-1", False), ("refcount-0", True)])
def test_preallocation_takes_the_lock_of_the_inode_since_v6_1(protocol: str, waits: bool) -> None:
    tasks = {"a": ["fsync(file0)"], "b": ["fallocate(file0, KEEP_SIZE, 0, 1)"]}
    sim = simulate(program(tasks), protocol=protocol, filesystem="fuse")
    asleep = []
    steered = Steered(
        ("a", "vfs_fsync_range.unlock"), ("b", ""), lambda: asleep.append(sim.world.tasks[1].blocked_on is not None)
    )
    Stepper(sim.world).run(steered, LIMIT)
    steered.finish()
    assert asleep == [waits]
