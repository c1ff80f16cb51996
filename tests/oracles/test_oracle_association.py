"""association."""

from __future__ import annotations

from dataclasses import replace

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.page import Page
from daxfuzz.oracles.association import Association
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.repairs.share_lock import FixShareLock
from daxfuzz.protocols.repairs.stale_share import FixStaleShare

FAULT = program({"mapper": ["store(file0, 0)"], "other": ["load(file0, 1)"]}, files={"file0": 2}, prefault=False)
DELETE = program({"truncator": ["truncate(file0, 0)"], "mapper": ["store(file0, 0)"]})


class NoAssociation(Patch):
    """dax: Do not note in pages which file page they are."""

    class dax(Dax):
        async def associate_page(self, page: Page, mapping: AddressSpace, index: int, flags: int) -> None:
            return None


class WrongIndex(Patch):
    """dax: Associate every page with the first page of the file."""

    class dax(Dax):
        async def associate_page(self, page: Page, mapping: AddressSpace, index: int, flags: int) -> None:
            return await super().associate_page(page, mapping, 0, flags)


class NoDisassociation(Patch):
    """dax: Pages keep their file page after the entry is gone."""

    class dax(FixShareLock.dax):
        async def dax_disassociate_entry(self, entry: Entry, mapping: AddressSpace, trunc: bool) -> None:
            return


THIRD = program({"mapper": ["store(file0, 2)"]}, files={"file0": 3}, prefault=False)


@pytest.mark.parametrize(
    ("of", "patch", "message"),
    [
        (FAULT, NoAssociation, "which names None[0]"),
        (THIRD, WrongIndex, "[2] is page 0, which names file0.mapping[0]"),
        (DELETE, NoDisassociation, "page 0 names file0.mapping[0], which is None"),
    ],
)
def test_page_and_entry_that_disagree_are_a_finding(of, patch, message) -> None:
    violation = trip(simulate(of, patch), "association", simple=1, random=0)
    assert message in violation.message


@pytest.mark.parametrize("of", [FAULT, DELETE, THIRD])
def test_page_and_entry_agree_whenever_xa_lock_is_dropped(of) -> None:
    assert_silent(simulate(of), random=80)


class ForgetShare(Patch):
    """fs/dax: Do not count the entries that have a page of several files."""

    class dax(FixStaleShare.dax):
        async def dax_folio_put(self, folio: Page) -> None:
            return


SHARED = program(
    {"mapper": ["load(file0, 0)", "load(file1, 0)"], "truncator": ["truncate(file0, 0)"]},
    files={"file0": 1, "file1": 1},
    clones={"file1": "file0"},
    prefault=False,
)


def test_a_page_of_several_files_counts_its_entries() -> None:
    violation = trip(simulate(SHARED, ForgetShare, protocol="refcount-0-fixed", filesystem="xfs"), "association")
    assert "page 0 counts 2 file pages, but is file1.mapping[0]" in violation.message
    assert_silent(simulate(SHARED, protocol="refcount-0-fixed", filesystem="xfs"))


class ForgetSplit(Patch):
    """fs/dax: Leave the pages of a folio together when no entry has them any more."""

    class dax(FixStaleShare.dax):
        async def dax_folio_split(self, folio: Page, pages: int) -> None:
            return


def test_an_entry_of_one_page_is_no_part_of_a_larger_folio() -> None:
    calls = {"mapper": ["truncate(file0, 0)", "truncate(file0, 1)", "fsync(file0)", "store(file0, 0)"]}
    of = program(calls, files={"file0": 2})
    of = replace(of, setup=replace(of.setup, huge=True))
    violation = trip(simulate(of, ForgetSplit, protocol="refcount-0-fixed"), "association", simple=1, random=0)
    assert "page 0 of the folio of 2 pages from 0, not of 1 from 0" in violation.message
    assert_silent(simulate(of, protocol="refcount-0-fixed"))


class DeleteBusy(Patch):
    """fs/dax: Delete the entries of a range without waiting for its pages."""

    class dax(FixStaleShare.dax):
        async def dax_layout_busy_page(self, mapping: AddressSpace, first: int, last: int) -> Page | None:
            await super().dax_layout_busy_page(mapping, first, last)
            return None


PINNED = {"pinner": ["r0 = pin_user_pages(file0, 0)", "unpin_user_pages(r0)"]}


@pytest.mark.parametrize("change", ["truncate(file0, 0)", "fallocate(file0, PUNCH_HOLE, 0, 1)", "unbind()"])
def test_a_page_in_use_keeps_its_last_entry(change: str) -> None:
    of = program({**PINNED, "changer": [change]})
    assert_silent(simulate(of, protocol="refcount-0-fixed", oracles=[Association]))


def test_who_deletes_the_last_entry_of_a_page_in_use_is_a_finding() -> None:
    of = program({**PINNED, "truncator": ["truncate(file0, 0)"]})
    violation = trip(simulate(of, DeleteBusy, protocol="refcount-0-fixed", oracles=[Association]), "association")
    assert violation.message == "truncator deletes the last entry of page 0, which pinner uses"


def test_an_entry_of_another_file_is_enough() -> None:
    pin = ["r0 = pin_user_pages(file0, 0, READ_ONLY)", "unpin_user_pages(r0)"]
    of = program(
        {"pinner": pin, "truncator": ["load(file1, 0)", "truncate(file1, 0)"]},
        files={"file0": 1, "file1": 1},
        clones={"file1": "file0"},
    )
    assert_silent(simulate(of, DeleteBusy, protocol="refcount-0-fixed", filesystem="xfs", oracles=[Association]))
