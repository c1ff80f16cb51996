"""wrong-page."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.mm import Mm
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch

FIRST = "madvise(file0, MADV_DONTNEED, 0, 1)"
FOUR = {"file0": 4}


class GoOnBehindGaps(Patch):
    """mm: Go on with the lockless walk behind a page that it could not get."""

    class gup(Gup):
        async def gup_pmd_range(self, mm: Mm, addresses: range, flags: int, pages: list[Page]) -> bool:
            for address in addresses:
                await self.gup_pte_range(mm, range(address, address + 1), flags, pages)
            return True


class AlwaysFirst(Patch):
    """mm: Return the first page, whatever is mapped."""

    class gup(Gup):
        async def internal_get_user_pages_fast(self, mm: Mm, addresses: range, flags: int) -> list[Page] | int:
            await self.try_grab_page(self.k.pages[0], flags)
            return [self.k.pages[0]]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("r0 = pin_user_pages_fast(file0, 0, 2)", "gets page1 for file0[0], where it was not mapped"),
        ("direct_read(file0, 0, 2)", "gets page1 for file0[0], where it was not mapped"),
    ],
)
def test_a_page_of_another_address_is_a_finding(call: str, said: str) -> None:
    of = program({"pinner": [FIRST, call]}, files={"file0": 2})
    assert said in trip(simulate(of, GoOnBehindGaps), "wrong-page", simple=1, random=0).message


def test_a_page_that_was_mapped_before_the_call_only_is_a_finding() -> None:
    of = program({"pinner": ["munmap(file0)", "mmap(file0)", "r0 = pin_user_pages_fast(file0, 0)"]})
    said = trip(simulate(of, AlwaysFirst), "wrong-page", simple=1, random=0).message
    assert said == "pinner gets page0 for file0[0], where it was not mapped"


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse", "device-dax"])
@pytest.mark.parametrize(
    "call",
    ["r0 = pin_user_pages_fast(file0, 0, 4)", "r0 = get_user_pages(file0, 0, 2, READ_ONLY)", "vmsplice(file0, 1)"],
)
def test_what_is_mapped_during_the_call_may_be_returned(filesystem: str, call: str) -> None:
    of = program({"pinner": [FIRST, call], "other": [FIRST]}, files=FOUR, mms={"mm0": ("pinner", "other")})
    assert_silent(simulate(of, filesystem=filesystem))


def test_the_page_may_be_replaced_before_it_is_returned() -> None:
    private = ["munmap(file0)", "mmap(file0, MAP_PRIVATE)", "load(file0, 0)"]
    tasks = {"pinner": [*private, "r0 = get_user_pages_fast(file0, 0, 1, READ_ONLY)"], "writer": ["store(file0, 0)"]}
    assert_silent(simulate(program(tasks, mms={"mm0": ("pinner", "writer")})))


def test_holes_and_huge_entries_are_what_is_mapped() -> None:
    calls = ["r0 = get_user_pages(file0, 0, 2, READ_ONLY)", "r1 = get_user_pages_fast(file0, 0, 4)"]
    assert_silent(
        simulate(
            program({"pinner": calls, "other": ["fallocate(file0, PUNCH_HOLE, 0, 2)"]}, files=FOUR, prefault=False)
        )
    )
