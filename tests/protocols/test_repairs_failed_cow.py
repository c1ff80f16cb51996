"""N-08: the entry of a copy whose fault fails shows without its repair, and is gone with it."""

from __future__ import annotations

import pytest
from kernel_kit import Steered
from oracle_kit import LIMIT, assert_silent, program, simulate

from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.protocols.repairs.failed_cow_entry import FixFailedCowEntry
from daxfuzz.sim import Stepper

KILLED = program(
    {
        "writer": ["store(file1, 0)"],
        "killer": ["signal(writer, SIGKILL)"],
        "reader": ["fsync(file1)", "load(file1, 0)"],
    },
    files={"file0": 1, "file1": 1},
    clones={"file1": "file0"},
    low_memory=True,
)
PLAYED = (("writer", "super_cache_scan.trylock"), ("killer", ""), ("writer", ""), ("reader", ""))


@pytest.mark.parametrize("protocol", ["refcount-1", "pin-wait", "series-v1", "series-v3", "refcount-0"])
def test_a_copy_that_cannot_be_mapped_leaves_no_entry(protocol: str) -> None:
    repairs = [each for each in PROTOCOLS[protocol].repairs if each is not FixFailedCowEntry]
    sim = simulate(KILLED, *repairs, protocol=protocol, filesystem="xfs")
    violation = Stepper(sim.world).run(Steered(*PLAYED), LIMIT).violation
    assert violation is not None
    assert violation.kind == "association"
    assert "is free" in violation.message

    sim = simulate(KILLED, protocol=f"{protocol}-fixed", filesystem="xfs")
    assert Stepper(sim.world).run(Steered(*PLAYED), LIMIT).violation is None
    assert sim.results == [["SIGKILL"], [0], [0, 0]]
    assert_silent(sim, simple=100, random=20)
