"""Runs that end without a finding, in sums and medians."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from daxfuzz.bench.bugs import Run, hunts
from daxfuzz.bench.survival import score, survival
from daxfuzz.bench.survival_plot import draw, plot
from daxfuzz.protocols.registry import bug

LIMIT = 1_000


def run(executions: int | None) -> Run:
    """A run that found something in so many executions, or nothing."""
    return Run(LIMIT, 1.0, None) if executions is None else Run(executions, 1.0, "leak")


def test_the_textbook_example() -> None:
    """Remission times of the 6-MP group of Freireich et al., Blood 21 (1963): the estimate falls to 0.448 at 23."""
    weeks = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    censored = [0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1]
    curve = survival([Run(week, 0.0, None if late else "x") for week, late in zip(weeks, censored, strict=True)])
    at = dict(zip(curve.executions, curve.shares, strict=True))
    assert [round(at[week], 3) for week in (6, 7, 10, 13, 16, 22, 23)] == [
        0.857,
        0.807,
        0.753,
        0.690,
        0.627,
        0.538,
        0.448,
    ]
    assert curve.median() == 23


@given(st.lists(st.integers(1, LIMIT - 1), min_size=1, max_size=30))
def test_without_censoring_it_is_the_median_of_the_lower_half(found: list[int]) -> None:
    low = sorted(found)[: (len(found) + 1) // 2]
    assert score([run(each) for each in found]).median_executions == low[-1] <= median(found)


@pytest.mark.parametrize(
    ("found", "expected"), [([5, 7, None], 7), ([5, None], 5), ([5, None, None], None), ([None], None)]
)
def test_a_median_needs_half_of_the_runs(found: list[int | None], expected: int | None) -> None:
    assert score([run(each) for each in found]).median_executions == expected


def test_kinds_come_most_frequent_first() -> None:
    runs = [Run(1, 1.0, "leak"), Run(2, 3.0, "deadlock"), Run(3, 2.0, "deadlock"), run(None)]
    summed = score(runs)
    assert summed.kinds == ("deadlock", "leak")
    assert (summed.seeds, summed.found, summed.min_executions, summed.max_executions) == (4, 3, 1, 3)
    assert summed.median_seconds == 2.0


def test_a_strategy_has_one_colour_in_all_pictures(tmp_path: Path) -> None:
    first, second = bug("pin-only-idle-test"), bug("evict-ignores-pins")
    runs = {each: run(7) for each in hunts([first, second], ("pct-2", "random"), [0], LIMIT)}
    # What an interruption has left.
    del runs[next(iter(runs))]
    left = {each: of for each, of in runs.items() if each.bug == first.slug()}
    axes = Figure().subplots()
    draw(axes, first.slug(), left, ("pct-2", "random"))
    assert [(line.get_label(), line.get_color()) for line in axes.get_lines()] == [("random", "C1")]
    plot(runs, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size
