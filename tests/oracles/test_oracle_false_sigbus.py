"""false-sigbus."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.memory import Fault, VmFault
from daxfuzz.oracles.false_sigbus import FalseSigbus
from daxfuzz.protocols.patch import Patch

STORE = program({"mapper": ["store(file0, 0)", "load(file0, 0)"]}, prefault=False)
REASONS = (
    program({"mapper": ["store(file0, 0)"], "truncator": ["truncate(file0, 0)", "truncate(file0, 1)"]}),
    program({"mapper": ["store(file0, 0)"], "unbinder": ["unbind()"]}, prefault=False),
    program({"mapper": ["store(file0, 0)"], "mapper1": ["store(file0, 1)"]}, files={"file0": 2}, spare_blocks=-1),
)


class FailAtFirst(Patch):
    """dax: Have each fault on a page fail."""

    class dax_fault(DaxFault):
        async def dax_iomap_pte_fault(self, vmf: Fault) -> VmFault:
            await super().dax_iomap_pte_fault(vmf)
            return VmFault.SIGBUS


def test_an_access_that_fails_for_no_reason_is_a_finding() -> None:
    sim = simulate(STORE, FailAtFirst, oracles=[FalseSigbus])
    violation = trip(sim, "false-sigbus", simple=1, random=0)
    assert violation.message == "store(file0, 0) of mapper ends in SIGBUS for no reason"


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "fuse"])
def test_an_access_that_has_a_reason_to_fail_may(filesystem: str) -> None:
    for of in REASONS:
        assert_silent(simulate(of, filesystem=filesystem), simple=100, random=18)


def test_these_reasons_make_accesses_fail() -> None:
    for of in REASONS[:2]:
        sim = simulate(of)
        assert any(["SIGBUS"] in sim.results for _ in executions(sim))
