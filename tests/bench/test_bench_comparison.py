"""Strategies beside each other over several bugs."""

from __future__ import annotations

from random import Random

import pytest

from daxfuzz.bench.bugs import Hunt, Run, hunts
from daxfuzz.bench.comparison import compare
from daxfuzz.protocols.registry import BUGS

CHOSEN = list(BUGS.values())[:3]


def measured(chances: dict[str, float], seeds: int, limit: int = 10_000) -> dict[Hunt, Run]:
    """Runs of strategies that find any bug in an execution with a given chance."""
    random = Random(2)
    runs = {}
    for hunt in hunts(CHOSEN, tuple(chances), range(seeds), limit):
        chance = chances[hunt.strategy]
        needed = next((each for each in range(1, limit + 1) if random.random() < chance), None)
        runs[hunt] = Run(limit, 1.0, None) if needed is None else Run(needed, 1.0, "leak")
    return runs


def test_means_are_those_of_the_chances_and_the_ratio_that_of_the_best() -> None:
    compared = compare(measured({"portfolio": 1 / 150, "random": 1 / 400, "pos": 1 / 100}, seeds=40))
    assert compared is not None
    assert compared.bugs == len(CHOSEN)
    for strategy, expected in (("portfolio", 150), ("random", 400), ("pos", 100)):
        mean = compared.means[strategy]
        # Of 120 runs: a standard error of 9 %.
        assert mean.low < mean.value < mean.high
        assert mean.value == pytest.approx(expected, rel=0.35)
    assert compared.best == "pos"
    assert compared.ratio is not None
    assert compared.ratio.low < 1.5 < compared.ratio.high


def test_runs_that_are_cut_off_make_the_mean_no_smaller() -> None:
    compared = compare(measured({"portfolio": 1 / 100, "random": 1 / 2_000}, seeds=40, limit=1_000))
    assert compared is not None
    assert compared.means["random"].value == pytest.approx(2_000, rel=0.5)
    assert compared.missed == {"portfolio": 0, "random": 0}


def test_what_is_never_found_is_said() -> None:
    compared = compare(measured({"portfolio": 0.1, "random": 0.0}, seeds=3, limit=500))
    assert compared is not None
    assert compared.missed["random"] == len(CHOSEN)
    assert compared.means["random"].value == pytest.approx(1_500)


def test_only_what_all_have_run_counts() -> None:
    runs = measured({"portfolio": 0.1, "random": 0.1}, seeds=2)
    left_out = next(hunt for hunt in runs if hunt.strategy == "random" and hunt.bug == CHOSEN[0].slug())
    more = {hunt: run for hunt, run in runs.items() if hunt.bug != left_out.bug or hunt.strategy != "random"}
    compared = compare(more)
    assert compared is not None
    assert compared.bugs == len(CHOSEN) - 1
    assert compare({hunt: run for hunt, run in runs.items() if hunt.strategy == "random"}) is None
