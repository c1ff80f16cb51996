"""Flaws of files and of writeback: found without their repair, and not with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from oracle_kit import assert_silent, found, ordered, program, simulate, trip

from daxfuzz.oracles.lost_dirty_data import LostDirtyData
from daxfuzz.protocols.patch import Patch, Repair
from daxfuzz.protocols.registry import protocol
from daxfuzz.protocols.repairs.evict_waits import FixEvictWaits
from daxfuzz.protocols.repairs.mkclean_flushes import FixMkcleanFlushes
from daxfuzz.protocols.repairs.truncate_flushes_huge import FixTruncateFlushesHuge
from daxfuzz.protocols.repairs.write_keeps_entries import FixWriteKeepsEntries
from daxfuzz.protocols.repairs.write_unmaps_hole import FixWriteUnmapsHole
from daxfuzz.protocols.repairs.writeback_waits import FixWritebackWaits
from daxfuzz.protocols.repairs.zero_page_retried import FixZeroPageRetried

EVICTED = program(
    {
        "pinner": ["r0 = pin_user_pages_fast(file0, 0)", "munmap(file0)", "unpin_user_pages(r0)"],
        "evictor": ["unlink(file0)"],
    }
)
SYNCED = program({"a": ["store(file0, 0)", "fsync(file0)"], "b": ["fsync(file0)"]})


def without(name: str, repair: type[Repair]) -> tuple[type[Patch], ...]:
    return tuple(each for each in protocol(f"{name}-fixed").patches if each is not repair)


@pytest.mark.parametrize("name", ["refcount-1", "pin-wait"])
def test_f06(name) -> None:
    patches = without(name, FixEvictWaits)
    sim = simulate(EVICTED, *patches, protocol="refcount-1")
    violation = trip(sim, "freed-while-pinned")
    assert violation.function == "ext4_remove_space"
    assert_silent(simulate(EVICTED, protocol=f"{name}-fixed"))


@pytest.mark.parametrize("name", ["refcount-1", "pin-wait"])
def test_n21(name) -> None:
    sim = simulate(SYNCED, *without(name, FixWritebackWaits), protocol="refcount-1", oracles=[LostDirtyData])
    violation = trip(sim, "lost-dirty-data")
    assert "a crash leaves 0" in violation.message
    assert_silent(simulate(SYNCED, protocol=f"{name}-fixed"))


@pytest.mark.parametrize("name", ["refcount-1", "pin-wait"])
def test_n22(name) -> None:
    of = program(
        {"a": ["store(file0, 0)", "truncate(file0, 1)", "fsync(file0)"], "b": ["load(file0, 0)"]}, files={"file0": 2}
    )
    of = replace(of, setup=replace(of.setup, huge=True))
    sim = simulate(of, *without(name, FixTruncateFlushesHuge), protocol="refcount-1", oracles=[LostDirtyData])
    assert "a crash leaves 0 in page 0" in trip(sim, "lost-dirty-data").message
    assert_silent(simulate(of, protocol=f"{name}-fixed"))


@pytest.mark.parametrize("name", ["refcount-1", "pin-wait", "series-v3", "refcount-0"])
def test_n120(name) -> None:
    # Since v6.14 a hole is not written back before it is made.
    fsync = ["fsync(file0)"] if name == "refcount-0" else []
    of = program(
        {
            "puncher": ["r0 = get_user_pages_fast(file0, 0)", *fsync, "fallocate(file0, PUNCH_HOLE, 0, 1)"],
            "writer": ["write(file0, 0)"],
        },
        prefault=False,
    )
    sim = simulate(of, *without(name, FixWriteKeepsEntries), protocol="refcount-1")
    violation = trip(sim, "freed-while-referenced")
    assert violation.function == "ext4_remove_space"
    assert_silent(simulate(of, protocol=f"{name}-fixed"))


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
@pytest.mark.parametrize("name", ["refcount-1", "pin-wait", "series-v3", "refcount-0"])
def test_n260(name, filesystem) -> None:
    of = program(
        {"mapper": ["load(file0, 0)", "store(file0, 0)"], "writer": ["write(file0, 0)", "load(file0, 0)"]},
        mms={"mm0": ("mapper", "writer")},
        prefault=False,
    )
    sim = simulate(of, *without(name, FixWriteUnmapsHole), protocol="refcount-1", filesystem=filesystem)
    assert "reads 0 from file0[0]" in trip(sim, "stale-data").message
    # A fault that is tried again until the writer has unmapped the hole takes all turns that it gets.
    assert found(simulate(of, protocol=f"{name}-fixed", filesystem=filesystem), "stale-data") is None


def test_n260_a_huge_zero_page_is_unmapped_with_its_entry() -> None:
    """There is no block for the second page, so that the fault on the PMD gives up, and leaves its entry."""
    of = program(
        {"mapper": ["load(file0, 0)", "store(file0, 0)"], "writer": ["write(file0, 0)", "load(file0, 0)"]},
        files={"file0": 2},
        mms={"mm0": ("mapper", "writer")},
        prefault=False,
    )
    of = replace(of, setup=replace(of.setup, huge=True), machine=replace(of.machine, spare_blocks=-1))
    assert found(simulate(of, protocol="refcount-1-fixed"), "stale-data", simple=1_500) is None


ZEROES = program({"mapper": ["load(file0, 0)", "store(file0, 0)"], "writer": ["write(file0, 0)"]}, prefault=False)


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
@pytest.mark.parametrize("name", ["refcount-0-v6.15", "refcount-0"])
def test_n332(name: str, filesystem: str) -> None:
    sim = simulate(ZEROES, *without(name, FixZeroPageRetried), protocol="refcount-1", filesystem=filesystem)
    assert trip(sim, "false-sigbus").message == "store(file0, 0) of mapper ends in SIGBUS for no reason"
    # As in N-260, the fault takes all turns that it gets.
    assert found(simulate(ZEROES, protocol=f"{name}-fixed", filesystem=filesystem), "false-sigbus") is None


MET = (
    "mapper:ext4_map_blocks.lock < writer:ext4_map_blocks_create.lock",
    "writer:zap_pmd_range.read < mapper:handle_pte_fault.read#4",
    "mapper:vmf_insert_page_mkwrite.lock < writer:zap_pte_range.lock",
)


def test_n332_the_fault_comes_again_until_the_zero_page_is_unmapped() -> None:
    refused = ordered(simulate(ZEROES, *without("refcount-0", FixZeroPageRetried), protocol="refcount-1"), *MET)
    assert refused.violation is not None
    assert refused.violation.kind == "false-sigbus"
    sim = simulate(ZEROES, protocol="refcount-0-fixed")
    # It meets the zero page twice, and nothing the third time.
    met = (*MET, "mapper:vmf_insert_page_mkwrite.lock#2 < writer:zap_pte_range.lock")
    retried = ordered(sim, *met, "writer:zap_pte_range.unlock < mapper:vmf_insert_page_mkwrite.lock#3")
    assert retried.violation is None
    assert sim.results == [[0, 1001], [0]]
    (page,) = (page for page in sim.kernel.pages if page.mapcount.value)
    assert (page.refcount.value, page.mapcount.value) == (1, 1)


@pytest.mark.parametrize(("name", "pages"), [("refcount-1", 1), ("refcount-1", 2), ("series-v3", 2), ("refcount-0", 2)])
def test_n240(name: str, pages: int) -> None:
    of = program(
        {
            "a": [f"truncate(file0, {pages})", "fsync(file0)"],
            "c": ["store(file0, 0)", "fsync(file0)", "store(file0, 0)"],
        },
        files={"file0": pages},
    )
    of = replace(of, setup=replace(of.setup, huge=pages > 1))
    sim = simulate(of, *without(name, FixMkcleanFlushes), protocol="refcount-1")
    assert "a crash leaves 2000 in page 0" in trip(sim, "lost-dirty-data", simple=6_000, preemptions=2).message
    assert_silent(simulate(of, protocol=f"{name}-fixed"), simple=6_000, preemptions=2)
