"""failed-write: it fails, and the file is larger."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.oracles.failed_write import FailedWrite

TAIL = program({"writer": ["truncate(file0, 0)", "pwrite(file0, 1, file0, 0)", "load(file0, 0)"]}, files={"file0": 2})
GOOD = program({"writer": ["truncate(file0, 1)", "pwrite(file0, 1, file0, 0)"]}, files={"file0": 2})
OTHER = program(
    {"writer": ["truncate(file0, 0)", "pwrite(file0, 1, file0, 0)"], "grower": ["truncate(file0, 2)"]},
    files={"file0": 2},
)


@pytest.mark.parametrize("protocol", ["refcount-0-v6.15", "refcount-0"])
def test_a_size_that_comes_of_an_error_is_a_finding(protocol: str) -> None:
    violation = trip(simulate(TAIL, protocol=protocol, oracles=[FailedWrite]), "failed-write", simple=1, random=0)
    assert violation.message == ("pwrite(file0, 1, file0, 0) of writer fails, and has made file0 from 0 to 1 pages")


@pytest.mark.parametrize("of", [TAIL, GOOD, OTHER])
@pytest.mark.parametrize(
    ("protocol", "filesystem"), [("refcount-1", "ext4"), ("refcount-0-fixed", "ext4"), ("refcount-0", "xfs")]
)
def test_what_succeeds_and_what_another_one_does_is_none(of, protocol: str, filesystem: str) -> None:
    assert_silent(simulate(of, protocol=protocol, filesystem=filesystem, oracles=[FailedWrite]))
