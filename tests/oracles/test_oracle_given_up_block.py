"""given-up-block."""

from __future__ import annotations

from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.oracles.given_up_block import GivenUpBlock

TWO = {"file0": 1, "file1": 1}
PIN = "r0 = pin_user_pages_fast(file0, 0, READ_ONLY)"
KEPT = program({"mapper": [PIN, "store(file0, 0)", "unpin_user_pages(r0)"]}, files=TWO, clones={"file1": "file0"})
OTHER = program({"pinner": [PIN], "writer": ["store(file1, 0)"]}, files=TWO, clones={"file1": "file0"})
DROPPED = program(
    {"mapper": [PIN, "unpin_user_pages(r0)", "store(file0, 0)"], "writer": ["store(file1, 0)"]},
    files=TWO,
    clones={"file1": "file0"},
)


def test_a_copy_that_takes_the_place_of_a_pinned_block_is_a_finding() -> None:
    violation = trip(
        simulate(KEPT, protocol="refcount-1", filesystem="xfs", oracles=[GivenUpBlock]),
        "given-up-block",
        simple=1,
        random=0,
    )
    assert violation.message == "mapper takes block 0 from file0[0], through which mapper has a reference of it"


def test_whoever_has_come_through_another_file_or_has_left_is_none() -> None:
    for of in (OTHER, DROPPED):
        assert_silent(simulate(of, protocol="refcount-1", filesystem="xfs", oracles=[GivenUpBlock]))
        assert_silent(simulate(of, protocol="refcount-1-fixed", filesystem="xfs"), simple=150, random=10)
