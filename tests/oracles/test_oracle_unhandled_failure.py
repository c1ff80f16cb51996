"""unhandled-failure."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.dax_device import DaxDevice
from daxfuzz.kernel.dax_lock import NOT_LOCKED, DaxLock
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.errno import EBUSY, EOPNOTSUPP
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.memory_failure import MemoryFailure, ToKill
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch

FAIL = ["madvise(file0, MADV_HWPOISON, 0, 1)"]
ALONE = program({"injector": FAIL})
THREADS = {
    "injector": FAIL,
    "mapper": ["load(file0, 0)"],
    "unmapper": ["madvise(file0, MADV_DONTNEED, 0, 1)"],
}
FILESYSTEMS = ("ext4", "xfs", "fuse", "device-dax")


class LeaveMapped(Patch):
    """mm: Signal who maps a page that has failed, and leave it mapped."""

    class memory_failure(MemoryFailure):
        async def unmap_and_kill(self, to_kill: list[ToKill], mapping: AddressSpace | None, index: int) -> None:
            for each in to_kill:
                await super().unmap_and_kill([each._replace(pages=0)], mapping, index)


class SignalNobody(Patch):
    """mm: Unmap a page that has failed, and signal nobody."""

    class memory_failure(MemoryFailure):
        async def unmap_and_kill(self, to_kill: list[ToKill], mapping: AddressSpace | None, index: int) -> None:
            assert mapping is not None
            await self.k.memory.unmap_mapping_pages(mapping, index, max(each.pages for each in to_kill))


class FailOnly(Patch):
    """mm: Do nothing about a page that has failed, and say so."""

    class memory_failure(MemoryFailure):
        async def mf_generic_kill_procs(self, pfn: int) -> int:
            await super().mf_generic_kill_procs(pfn)
            return -EBUSY

        async def unmap_and_kill(self, to_kill: list[ToKill], mapping: AddressSpace | None, index: int) -> None:
            return


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
@pytest.mark.parametrize(
    ("patch", "said"),
    [(LeaveMapped, "mm0.pte0.0 maps the page as before"), (SignalNobody, "sent injector no signal")],
)
def test_who_is_told_that_a_failure_was_dealt_with_can_rely_on_it(
    filesystem: str, patch: type[Patch], said: str
) -> None:
    violation = trip(simulate(ALONE, patch, filesystem=filesystem), "unhandled-failure", simple=1, random=0)
    assert said in violation.message


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_the_page_may_be_unmapped_by_others_and_mapped_again(filesystem: str) -> None:
    of = program(THREADS, mms={"mm0": tuple(THREADS)})
    assert_silent(simulate(of, filesystem=filesystem))


def test_other_processes_keep_what_they_map() -> None:
    assert_silent(
        simulate(program({"injector": ["munmap(file0)", "memory_failure(file0, 0)"], "mapper": THREADS["mapper"]}))
    )


def test_who_is_told_that_nothing_was_done_is_not_asked() -> None:
    assert_silent(simulate(ALONE, FailOnly))


def test_a_small_entry_below_a_huge_one_of_the_file_is_not_judged() -> None:
    private = ["munmap(file0)", "mmap(file0, MAP_PRIVATE)", "store(file0, 1)", "load(file0, 0)"]
    tasks = {"mapper": ["store(file0, 0)"], "injector": [*private, "memory_failure(file0, 1)"]}
    assert_silent(simulate(program(tasks, files={"file0": 2}, prefault=False), filesystem="xfs"))


class LockNothing(Patch):
    """dax: Find no entry to lock where a page has failed."""

    class dax_lock(DaxLock):
        async def dax_lock_mapping_entry(self, mapping: AddressSpace, index: int) -> tuple[Entry, Page | None]:
            return NOT_LOCKED, None


class AskNobody(Patch):
    """dax: Do not ask who holds the device about a failure."""

    class dax_device(DaxDevice):
        async def dax_holder_notify_failure(self, first: int, pages: int, flags: int) -> int:
            return -EOPNOTSUPP


class SignalForOthers(Patch):
    """mm: Signal the current task for all who map a page that has failed."""

    class memory_failure(MemoryFailure):
        async def collect_procs_file(self, mapping: AddressSpace, index: int) -> list[ToKill]:
            return [ToKill(self.k.world.current, 1)]


def test_a_failure_that_nobody_looks_at_is_none_that_was_dealt_with() -> None:
    violation = trip(simulate(ALONE, LockNothing, filesystem="xfs"), "unhandled-failure", simple=1, random=0)
    assert "maps the page as before" in violation.message


SHARED = program(
    {"injector": ["load(file0, 0)", "memory_failure(file0, 0)"], "mapper": ["load(file1, 0)"]},
    files={"file0": 1, "file1": 1},
    clones={"file1": "file0"},
)


def test_a_page_is_not_busy_for_who_knows_which_files_have_it() -> None:
    assert "knows who has" in trip(simulate(SHARED, AskNobody, filesystem="xfs"), "unhandled-failure").message
    assert_silent(simulate(SHARED, filesystem="xfs"))


ELSEWHERE = program({"injector": ["munmap(file0)", "memory_failure(file0, 0)"], "mapper": ["load(file0, 0)"]})


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
def test_who_has_not_mapped_the_page_gets_no_signal(filesystem: str) -> None:
    violation = trip(simulate(ELSEWHERE, SignalForOthers, filesystem=filesystem), "unhandled-failure")
    assert "for file0[0], which mm0 has not mapped" in violation.message
    assert_silent(simulate(ELSEWHERE, filesystem=filesystem))


REMOVED = program({"remover": ["unbind()", "madvise(file0, MADV_DONTNEED, 0, 1)"]})


@pytest.mark.parametrize("protocol", ["refcount-1-fixed", "series-v3-fixed", "refcount-0-fixed"])
def test_what_the_removal_of_the_device_has_unmapped_is_no_matter_of_a_later_call(protocol: str) -> None:
    assert_silent(simulate(REMOVED, protocol=protocol, filesystem="xfs"))
