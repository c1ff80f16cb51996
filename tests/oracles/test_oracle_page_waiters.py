"""held-longterm-pin, waits-for-stranger."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.gup import Foll, Gup
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.mm import Mm
from daxfuzz.kernel.page import Page
from daxfuzz.oracles.waits_for_stranger import WaitsForStranger
from daxfuzz.protocols.patch import Patch

LAST = ["load(file0, 0)", "unlink(file0)", "exit()"]
"""The last to use a file, unless somebody else does."""


class AllowLongterm(Patch):
    """gup: Allow FOLL_LONGTERM on file-system DAX."""

    class gup(Gup):
        async def _get_user_pages(self, mm: Mm, addresses: range, flags: int) -> list[Page] | int:
            return await super()._get_user_pages(mm, addresses, flags & ~Foll.LONGTERM)


class FreeBeforeWait(Patch):
    """ext4: Free the blocks first and wait for busy pages afterwards."""

    class ext4(Ext4):
        async def setattr_size(self, inode: Inode, size: int) -> int:
            await self.ext4_truncate(inode, size)
            return await super().setattr_size(inode, size)


class FreeBeforeEvictionWaits(Patch):
    """ext4: Free the blocks of a file that is gone first and wait for busy pages afterwards."""

    class ext4(Ext4):
        async def ext4_evict_inode(self, inode: Inode) -> None:
            await self.ext4_truncate(inode, 0)
            await super().ext4_evict_inode(inode)


@pytest.mark.parametrize("protocol", ["refcount-1", "pin-wait"])
@pytest.mark.parametrize("call", ["pin_user_pages", "pin_user_pages_fast"])
def test_a_wait_for_a_longterm_pin_is_a_finding(protocol, call) -> None:
    of = program({"pinner": [f"r0 = {call}(file0, 0, FOLL_LONGTERM)"], "truncator": ["truncate(file0, 0)"]})
    violation = trip(simulate(of, AllowLongterm, protocol=protocol), "held-longterm-pin", random=0)
    assert (violation.channel, violation.tasks) == ("page_idle", ("truncator", "pinner"))
    assert_silent(simulate(of, protocol=protocol))


def test_a_wait_for_a_pin_that_is_not_longterm_is_the_kernels_design() -> None:
    of = program({"pinner": ["r0 = pin_user_pages(file0, 0)"], "truncator": ["truncate(file0, 0)"]})
    assert_silent(simulate(of, AllowLongterm))


def test_a_longterm_pin_that_ends_is_waited_for_without_a_finding() -> None:
    of = program(
        {
            "pinner": ["r0 = pin_user_pages(file0, 0, FOLL_LONGTERM)", "unpin_user_pages(r0)"],
            "truncator": ["truncate(file0, 0)"],
        }
    )
    assert_silent(simulate(of, AllowLongterm))


def test_a_wait_for_a_page_that_the_file_has_lost_is_a_finding() -> None:
    of = program({"pinner": ["r0 = pin_user_pages(file0, 0)"], "truncator": ["truncate(file0, 0)"]})
    sim = simulate(of, FreeBeforeWait, oracles=[WaitsForStranger])
    violation = trip(sim, "waits-for-stranger", random=0)
    assert (violation.channel, violation.tasks) == ("page_idle", ("truncator",))
    assert_silent(simulate(of))


def test_a_wait_for_a_page_that_another_file_has_by_now_is_a_finding() -> None:
    of = program(
        {
            "pinner": ["fallocate(file1, PUNCH_HOLE, 0, 1)", "fsync(file1)", "r0 = pin_user_pages(file1, 0)"],
            "truncator": ["truncate(file0, 0)"],
        },
        files={"file0": 1, "file1": 1},
    )
    sim = simulate(of, FreeBeforeWait, oracles=[WaitsForStranger])
    assert "which file0 has lost" in trip(sim, "waits-for-stranger", simple=2_000).message
    assert_silent(simulate(of))


def test_a_wait_for_a_page_outside_the_range_is_no_stranger() -> None:
    # break_layouts waits for the whole file; the page is the file's own, though the truncation leaves it alone.
    of = program({"pinner": ["r0 = pin_user_pages(file0, 0)"], "truncator": ["truncate(file0, 1)"]}, files={"file0": 2})
    assert_silent(simulate(of))


def test_a_call_that_names_no_file_is_held_up_by_a_longterm_pin_too() -> None:
    of = program({"pinner": ["r0 = pin_user_pages(file0, 0, FOLL_LONGTERM)", "munmap(file0)"], "last": LAST})
    violation = trip(simulate(of, AllowLongterm), "held-longterm-pin", random=0)
    assert violation.tasks == ("last", "pinner")
    assert_silent(simulate(of))


def test_who_drops_the_last_reference_of_another_file_than_it_names_works_on_that_one() -> None:
    """The failure of a block that two files share holds both, and the name of one goes meanwhile."""
    tasks = {
        "pinner": ["r0 = get_user_pages(file0, 0)", "munmap(file0)"],
        "evictor": ["unlink(file0)", "madvise(file1, MADV_HWPOISON, 0, 1)"],
    }
    of = program(tasks, files={"file0": 1, "file1": 1}, clones={"file1": "file0"})
    assert_silent(simulate(of, protocol="refcount-0-fixed", filesystem="xfs"), simple=1_000, random=0)


def test_a_call_that_names_no_file_waits_for_pages_of_files_only() -> None:
    of = program({"pinner": ["r0 = pin_user_pages(file0, 0)", "munmap(file0)"], "last": LAST})
    sim = simulate(of, FreeBeforeEvictionWaits, oracles=[WaitsForStranger])
    assert "which file0 has lost" in trip(sim, "waits-for-stranger", random=0).message
    assert_silent(simulate(of))
