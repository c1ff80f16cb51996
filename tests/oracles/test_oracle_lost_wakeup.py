"""lost-wakeup."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.dax import Dax, WakeMode
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.protocols.patch import Patch

THREE_GETS = program(
    {
        "getter": [*(f"r{i} = get_user_pages_fast(file0, 0)" for i in range(3)), "put_page(r0)"],
        "truncator": ["truncate(file0, 0)"],
    }
)
PIN = program(
    {"pinner": ["r0 = pin_user_pages(file0, 0)", "unpin_user_pages(r0)"], "truncator": ["truncate(file0, 0)"]}
)
FAULTS = program({"mapper": ["store(file0, 0)"], "mapper1": ["store(file0, 0)"]}, prefault=False)


class NeverWakeEntries(Patch):
    """dax: Do not wake waiters for an entry."""

    class dax(Dax):
        async def dax_wake_entry(self, mapping: AddressSpace, index: int, entry: Entry, mode: WakeMode) -> None:
            return


def test_a_sleeper_whose_page_became_idle_unnoticed_has_lost_its_wakeup() -> None:
    violation = trip(simulate(THREE_GETS, protocol="pin-wait"), "lost-wakeup", random=0)
    assert (violation.channel, violation.tasks) == ("page_idle", ("truncator",))


def test_a_sleeper_on_an_entry_that_was_unlocked_unnoticed_has_lost_its_wakeup() -> None:
    violation = trip(simulate(FAULTS, NeverWakeEntries), "lost-wakeup", random=0)
    assert violation.channel == "dax_entry"


@pytest.mark.parametrize("of", [PIN, FAULTS])
@pytest.mark.parametrize("protocol", ["refcount-1", "pin-wait"])
def test_sleepers_that_are_woken_in_time_lose_nothing(of, protocol) -> None:
    assert_silent(simulate(of, protocol=protocol))


@pytest.mark.parametrize("protocol", ["refcount-1-fixed", "pin-wait-fixed"])
def test_a_sleeper_that_waits_for_references_still_held_has_lost_nothing(protocol) -> None:
    # Two of three references stay, so the page never becomes idle.
    assert_silent(simulate(THREE_GETS, protocol=protocol))


def test_all_waiters_for_one_entry_get_their_turn() -> None:
    three = program({f"mapper{i}": ["store(file0, 0)"] for i in range(3)}, prefault=False, wait_buckets=1)
    assert_silent(simulate(three))
