"""v6.15 and later: replacing the entry of a PMD splits its folio, which must not be in use by then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kernel_kit import Steered
from oracle_kit import LIMIT, assert_silent, program, simulate

from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.patch import Repair
from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.protocols.repairs.cow_busy import FixCowBusy
from daxfuzz.protocols.repairs.shared_sizes import FixSharedSizes
from daxfuzz.protocols.repairs.write_unshares import FixWriteUnshares
from daxfuzz.sim import Execution, Stepper

PIN = "r0 = pin_user_pages(file0, 0, READ_ONLY)"


def huge(calls: list[str], without: tuple[type[Repair], ...]) -> Simulation:
    of = program({"a": calls}, files={"file0": 2, "file1": 2}, clones={"file1": "file0"}, prefault=False)
    of = replace(of, setup=replace(of.setup, huge=True))
    repairs = [each for each in PROTOCOLS["refcount-0"].repairs if each not in without]
    return simulate(of, *repairs, protocol="refcount-0", filesystem="xfs")


def one(sim: Simulation) -> Execution:
    return Stepper(sim.world).run(Steered(), LIMIT)


@pytest.mark.parametrize(
    ("calls", "repair"),
    [
        (["load(file0, 0)", "write(file0, 0)"], FixWriteUnshares),
        ([PIN, "store(file0, 0)", "unpin_user_pages(r0)"], FixCowBusy),
    ],
    ids=["mapped", "pinned"],
)
def test_a_folio_is_not_split_while_it_is_in_use(calls: list[str], repair: type[Repair]) -> None:
    execution = one(huge(calls, (FixSharedSizes, repair)))
    assert [str(each) for each in execution.deferred][:1] == [
        "kernel-warning: WARN_ON_ONCE in dax_folio_put: the folio has references"
    ]
    execution = one(huge(calls, (FixSharedSizes,)))
    assert "the folio has references" not in " ".join(map(str, (execution.violation, *execution.deferred)))
    assert_silent(huge(calls, ()))
