"""SPIN on the same program sees what our exhaustive search sees."""

from __future__ import annotations

import json

import pytest
from cli_kit import run

from daxfuzz.bench.beside_spin import by_daxfuzz, by_spin
from daxfuzz.bench.pin_truncate import PinTruncate, Wake
from daxfuzz.bench.spin import SpinMissing

LOST = frozenset({"lost-wakeup"})
CORRUPT = frozenset({"dma-corruption"})
CLEAN: frozenset[str] = frozenset()

# Pinners, gets, pins, truncators, bias and recheck of each program; what is found with Wake.UNPIN, and with THRESHOLD.
PROGRAMS = [
    ((1, 1, 1, 1, 2, True), LOST, CLEAN),
    ((1, 3, 0, 1, 4, True), LOST, CLEAN),
    ((1, 2, 0, 1, 4, True), CLEAN, CLEAN),
    ((1, 3, 1, 1, 4, True), LOST, CLEAN),
    ((1, 0, 1, 1, 2, False), CORRUPT, CORRUPT),
    ((1, 0, 2, 1, 4, True), CLEAN, CLEAN),
    ((1, 0, 1, 2, 2, True), CLEAN, CLEAN),
    ((1, 2, 0, 2, 3, True), LOST, CLEAN),
    ((2, 1, 0, 1, 3, True), LOST, CLEAN),
    ((2, 1, 0, 1, 4, True), CLEAN, CLEAN),
    ((2, 0, 1, 1, 2, False), CORRUPT, CORRUPT),
    ((2, 2, 0, 1, 4, True), LOST, CLEAN),
    ((2, 1, 1, 1, 3, True), LOST, CLEAN),
    ((2, 1, 1, 1, 3, False), LOST | CORRUPT, CORRUPT),
    ((2, 1, 0, 2, 3, True), LOST, CLEAN),
    ((3, 1, 0, 1, 4, True), LOST, CLEAN),
]


def program(scale: tuple[int, int, int, int, int, bool], wake: Wake) -> PinTruncate:
    *counts, recheck = scale
    return PinTruncate(*counts, wake, recheck)


@pytest.mark.external
@pytest.mark.parametrize("wake", Wake, ids=lambda wake: wake.name)
@pytest.mark.parametrize(("scale", "unpin", "threshold"), PROGRAMS, ids=lambda each: str(each))
def test_spin_sees_as_many_states_and_the_same_findings(scale, unpin, threshold, wake) -> None:
    try:
        theirs = by_spin(program(scale, wake), optimize="-O0")
    except SpinMissing as missing:
        pytest.fail(str(missing), pytrace=False)
    ours = by_daxfuzz(program(scale, wake))
    assert (ours.states, ours.transitions) == (theirs.states, theirs.transitions)
    assert ours.findings == theirs.findings == (unpin if wake is Wake.UNPIN else threshold)


@pytest.mark.parametrize("wake", Wake)
def test_what_the_search_finds_is_the_flaw_and_its_repair_is_clean(wake: Wake) -> None:
    """The smallest one, so that something is left of this where SPIN is not."""
    assert by_daxfuzz(program((1, 3, 0, 1, 4, True), wake)).findings == (LOST if wake is Wake.UNPIN else CLEAN)


def test_without_spin_the_bench_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda tool: None if tool == "spin" else f"/usr/bin/{tool}")
    done = run("bench", "verify")
    assert done.exit_code == 2
    assert done.stderr == "daxfuzz: spin is not installed; on Debian: apt-get install spin gcc\n"


@pytest.mark.external
def test_the_bench_as_data() -> None:
    done = run("bench", "verify", "--rounds", "1", "--json")
    if done.exit_code == 2:
        pytest.fail(done.stderr, pytrace=False)
    document = json.loads(done.stdout)
    assert done.exit_code == 0
    assert document["agree"]
    assert document["daxfuzz"]["states"] == document["spin"]["states"] >= 100_000
    assert document["ratio"] > 0
