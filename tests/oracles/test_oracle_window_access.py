"""read-only-window."""

from __future__ import annotations

import pytest
from kernel_kit import Steered
from oracle_kit import LIMIT, program, simulate

from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.protocols.repairs.upgrade_of_other import FixUpgradeOfOther
from daxfuzz.sim import Stepper

REPAIRS = PROTOCOLS["refcount-1"].repairs

RACE = program(
    {"reader": ["load(file0, 0)"], "writer": ["store(file0, 1)"]}, files={"file0": 2}, prefault=False, pmd_pages=4
)
"""Both find no range for the slice; the reader sets one up first, and the writer takes that one (N-02)."""


@pytest.mark.parametrize("repaired", [False, True])
def test_read_only_window(repaired) -> None:
    repairs = [each for each in REPAIRS if repaired or each is not FixUpgradeOfOther]
    sim = simulate(RACE, *repairs, protocol="refcount-1", filesystem="fuse")
    both = (("reader", "alloc_dax_mapping.lock"), ("writer", "alloc_dax_mapping.lock"))
    violation = Stepper(sim.world).run(Steered(*both, ("reader", ""), ("writer", "")), LIMIT).violation
    assert (violation and violation.kind) == (None if repaired else "read-only-window")
    if repaired:
        assert sim.results == [[0], [1000 * 2]]
