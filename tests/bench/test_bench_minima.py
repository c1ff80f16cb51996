"""The minima of hypothesis beside those of triage."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_kit import run

from daxfuzz.bench.minima import Minima, Outcome, compare, summary

BUGS = Path(__file__).parents[2] / "corpus" / "bugs"


def test_a_small_bug_is_as_small_for_both() -> None:
    found = compare(BUGS / "gup-ref-never-dropped.dax", 200, 0)
    assert found.ours == (1, 2, 0, 0)
    assert found.theirs == found.ours
    assert found.outcome is Outcome.EQUAL


def test_searches_go_on_until_one_is_as_small(monkeypatch: pytest.MonkeyPatch) -> None:
    path = BUGS / "gup-ref-never-dropped.dax"
    sizes = {5: None, 6: (2, 2, 0, 0), 7: (1, 3, 0, 0), 8: (1, 2, 0, 0)}
    monkeypatch.setattr("daxfuzz.bench.minima.shrunk", lambda case, kernel, failure, examples, seed: sizes[seed])
    found = [compare(path, 200, 5, searches) for searches in (1, 2, 3, 9)]
    assert [each.theirs for each in found] == [None, (2, 2, 0, 0), (1, 3, 0, 0), (1, 2, 0, 0)]
    assert [each.searches for each in found] == [1, 2, 3, 4]
    assert found[-1].outcome is Outcome.EQUAL


def test_outcomes() -> None:
    path = Path("a.dax")
    found = [Minima(path, (2, 3, 1, 0), theirs) for theirs in ((2, 3, 0, 1), (2, 3, 1, 0), (2, 4, 0, 0), None)]
    assert summary(found) == {"smaller": 1, "equal": 1, "larger": 1, "not found": 1}


def test_a_case_that_does_not_fail() -> None:
    path = BUGS.parent / "seeds" / "pin-wait-waits-for-pin.dax"
    with pytest.raises(ValueError, match="its steps do not show none"):
        compare(path, 10, 0)
    assert run("bench", "minima", "--workers", "1", path).exit_code == 2
