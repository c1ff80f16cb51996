"""entry-wake."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, executions, found, program, simulate

from daxfuzz.kernel.dax import Dax, WakeMode
from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.kernel.xarray import XaState
from daxfuzz.oracles.entry_wake import EntryWake
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch

TRUNCATE = program({"truncator": ["truncate(file0, 0)"], "mapper": ["store(file0, 0)"]})
SYNC = program(
    {
        "syncer": ["store(file0, 0)", "fsync(file0)"],
        "truncator": ["truncate(file0, 0)"],
        "syncer1": ["fsync(file0)"],
        "syncer2": ["fsync(file0)"],
    }
)
SCAN = program(
    {
        "pinner": ["r0 = pin_user_pages_fast(file0, 0)"],
        "syncer": ["store(file0, 0)", "fsync(file0)"],
        "truncator": ["truncate(file0, 0)"],
    }
)


class PassNothingOn(Patch):
    """dax: Wake nobody for an entry that is not locked in the end."""

    class dax(Dax):
        async def put_unlocked_entry(
            self, mapping: AddressSpace, xas: XaState, entry: Entry | None, mode: WakeMode
        ) -> None:
            return


class WakeOne(Patch):
    """dax: Wake one waiter, whatever has become of the entry."""

    class dax(Dax):
        async def dax_wake_entry(self, mapping: AddressSpace, index: int, entry: Entry, mode: WakeMode) -> None:
            await super().dax_wake_entry(mapping, index, entry, WakeMode.WAKE_NEXT)


@pytest.mark.parametrize(
    ("of", "patch", "said"),
    [
        (TRUNCATE, PassNothingOn, "truncate(file0, 0) of truncator deletes entry 0, and wakes nobody"),
        (SYNC, WakeOne, "truncator wakes 1 of those who wait for an entry that it has deleted"),
        (SCAN, PassNothingOn, "truncator was woken for entry 0, and wakes nobody"),
    ],
)
def test_each_rule_is_asked_for(of: Program, patch: type[Patch], said: str) -> None:
    sim = simulate(of, patch, oracles=[EntryWake])
    # Some executions break another rule first.
    assert any(said in each.message for execution in executions(sim) for each in execution.deferred)
    assert found(sim, "entry-wake") is not None


@pytest.mark.parametrize("protocol", ["refcount-1-fixed", "refcount-0-fixed"])
def test_the_kernel_wakes_whom_it_has_to(protocol: str) -> None:
    for of in (TRUNCATE, SYNC, SCAN):
        assert_silent(simulate(of, protocol=protocol), simple=150, random=10)
