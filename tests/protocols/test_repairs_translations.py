"""N-320 and N-321: what unmaps and who fails a page go by what others have not stored or flushed yet."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.registry import protocol as named
from daxfuzz.protocols.repairs.devdax_index_first import FixDevdaxIndexFirst
from daxfuzz.protocols.repairs.zap_huge_flushes import FixZapHugeFlushes

THREADS = program(
    {"thread": ["store(file0, 0)", "load(file0, 1)"], "leaver": ["munmap(file0)"], "syncer": ["fsync(file0)"]},
    files={"file0": 2},
    mms={"mm0": ("thread", "leaver"), "mm1": ("syncer",)},
    prefault=False,
)
ALONE = program(
    {"leaver": ["store(file0, 0)", "munmap(file0)"], "syncer": ["fsync(file0)"]}, files={"file0": 2}, prefault=False
)
FAILS = program(
    {"mapper": ["store(file0, 1)"], "injector": ["madvise(file0, MADV_HWPOISON, 1, 1)"]},
    files={"file0": 2},
    prefault=False,
)


def without(protocol: str, repair: type[Repair]) -> list[type[Repair]]:
    return [each for each in named(protocol).repairs if each is not repair]


@pytest.mark.parametrize("protocol", ["refcount-0-v6.15", "refcount-0"])
def test_fsync_misses_translations_of_a_file_that_is_being_unmapped(protocol: str) -> None:
    sim = simulate(THREADS, *without(protocol, FixZapHugeFlushes), protocol=protocol)
    found = [each for execution in executions(sim, simple=600, random=200) for each in execution.deferred]
    assert {each.kind for each in found} == {"page-table"}
    assert any("clean, which mm0 maps for writing" in each.message for each in found)
    assert_silent(simulate(THREADS, protocol=f"{protocol}-fixed"), simple=600, random=200)


def test_who_unmaps_alone_uses_no_translation_before_the_flush() -> None:
    sim = simulate(ALONE, *without("refcount-0", FixZapHugeFlushes), protocol="refcount-0")
    assert_silent(sim, simple=600, random=100)


@pytest.mark.parametrize("protocol", ["refcount-1", "series-v1:11", "refcount-0"])
def test_a_failure_goes_by_an_index_that_is_not_there_yet(protocol: str) -> None:
    sim = simulate(FAILS, *without(protocol, FixDevdaxIndexFirst), protocol=protocol, filesystem="device-dax")
    assert "maps the page as before" in trip(sim, "unhandled-failure", simple=600, random=100).message
    assert_silent(simulate(FAILS, protocol=f"{protocol}-fixed", filesystem="device-dax"), simple=600, random=100)
