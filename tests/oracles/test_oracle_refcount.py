"""refcount-underflow, refcount-mismatch, leak."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.gup import Foll, Gup
from daxfuzz.kernel.memremap import DevPagemap, Memremap
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch

GET_AND_PUT = ["r0 = get_user_pages_fast(file0, 0)", "put_page(r0)"]
PIN_AND_UNPIN = ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"]

ALONE = program({"getter": GET_AND_PUT, "mapper": ["load(file0, 0)"]})
PINNER = program({"pinner": PIN_AND_UNPIN, "mapper": ["load(file0, 0)"]})
TOGETHER = program({"getter": GET_AND_PUT, "holder": ["r0 = get_user_pages(file0, 0)"]})
CROWD = program({"getter": GET_AND_PUT, "pinner": PIN_AND_UNPIN, "truncator": ["truncate(file0, 0)"]})


class PutTwice(Patch):
    """mm: Drop every FOLL_GET reference twice."""

    class memremap(Memremap):
        async def put_page(self, page: Page) -> None:
            await super().put_page(page)
            await super().put_page(page)


class UnpinOneTooMany(Patch):
    """gup: Drop a pin and one reference more."""

    class gup(Gup):
        async def unpin_user_pages(self, pages: Sequence[Page]) -> None:
            await super().unpin_user_pages(pages)
            await self.gup_put_folio(pages[0], 1, Foll.GET)


class ForgetPut(Patch):
    """mm: Do not drop FOLL_GET references."""

    class memremap(Memremap):
        async def put_page(self, page: Page) -> None:
            await page.head.read()


class ForgetPgmap(Patch):
    """gup: Do not drop the reference of the page map."""

    class memremap(Memremap):
        async def put_dev_pagemap(self, pgmap: DevPagemap | None) -> None:
            return


@pytest.mark.parametrize(("of", "patch"), [(ALONE, PutTwice), (PINNER, UnpinOneTooMany)])
def test_a_drop_below_idle_is_an_underflow_at_once(of, patch) -> None:
    violation = trip(simulate(of, patch), "refcount-underflow", simple=1, random=0)
    assert "from 1 to 0" in violation.message


def test_a_drop_of_somebody_elses_reference_is_a_mismatch() -> None:
    violation = trip(simulate(TOGETHER, PutTwice), "refcount-mismatch", random=0)
    assert violation.tasks == ("getter",)
    assert violation.message == "put_page(r0) has dropped 1 references too many of page 0"


@pytest.mark.parametrize("protocol", ["refcount-1-fixed", "pin-wait-fixed"])
def test_a_reference_that_no_register_accounts_for_is_a_leak(protocol) -> None:
    violation = trip(simulate(ALONE, ForgetPut, protocol=protocol), "leak", simple=1, random=0)
    assert "1 references of page 0" in violation.message


def test_a_reference_of_the_page_map_that_is_never_dropped_is_a_leak() -> None:
    violation = trip(simulate(ALONE, ForgetPgmap), "leak", simple=1, random=0)
    assert violation.message == "1 references of the page map are left that nobody holds"


@pytest.mark.parametrize("of", [ALONE, PINNER, TOGETHER, CROWD])
def test_every_reference_taken_and_dropped_once_adds_up(of) -> None:
    assert_silent(simulate(of))


def test_references_that_a_user_keeps_are_no_leak() -> None:
    kept = program({"getter": ["r0 = get_user_pages(file0, 0)"], "pinner": ["r0 = pin_user_pages_fast(file0, 0)"]})
    assert_silent(simulate(kept))


def test_a_killed_task_keeps_its_references_and_leaks_none() -> None:
    killed = program(
        {
            "getter": GET_AND_PUT,
            "pinner": PIN_AND_UNPIN,
            "killer": ["signal(getter, SIGKILL)", "signal(pinner, SIGKILL)"],
        }
    )
    assert_silent(simulate(killed))


def test_a_speculative_pin_that_is_given_back_is_no_mismatch() -> None:
    race = program({"pinner": PIN_AND_UNPIN, "unmapper": ["munmap(file0)"]}, mms={"mm0": ("pinner", "unmapper")})
    assert_silent(simulate(race))
