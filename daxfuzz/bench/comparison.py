"""Strategies beside each other, over several bugs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daxfuzz.bench.bugs import ENGINES, PORTFOLIO, Hunt, Run

RESAMPLES = 2_000
"""Of the bootstrap."""

LIMITS = (2.5, 97.5)
"""In per cent, of an interval."""

Figures = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with a 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several strategies over the same bugs and seeds.

    bugs: how many.
    means: per strategy the geometric mean over the bugs of the mean executions to a finding.
    missed: per strategy how many bugs it never found; its mean is a lower bound then, as if each had been found once.
    best: the single strategy with the smallest mean, and `ratio`: the portfolio's mean to that of whichever single
        strategy is best in the resample. Both None without the portfolio or without others.
    """

    bugs: int
    means: dict[str, Estimate]
    missed: dict[str, int]
    best: str | None
    ratio: Estimate | None


def compare(hunted: Mapping[Hunt, Run]) -> Comparison | None:
    """Compare strategies over the bugs and seeds that all of them have run; None without two strategies and a bug.

    The mean executions to a finding is all executions by all findings, the maximum likelihood estimate for a chance
    that is the same in each execution, with runs cut off at their limit. Intervals are a percentile bootstrap (Efron
    1979) over seeds, drawn for each bug on its own, the same ones for all strategies.
    """
    strategies = list(dict.fromkeys(hunt.strategy for hunt in hunted))
    runs = {(hunt.bug, hunt.seed, hunt.strategy): run for hunt, run in hunted.items()}
    rows: dict[str, list[int]] = {}
    for bug, seed in dict.fromkeys((hunt.bug, hunt.seed) for hunt in hunted):
        if all((bug, seed, each) in runs for each in strategies):
            rows.setdefault(bug, []).append(seed)
    if len(strategies) < 2 or not rows:
        return None
    random = np.random.default_rng(0)
    logs = np.zeros((len(strategies), RESAMPLES + 1))
    missed = dict.fromkeys(strategies, 0)
    for bug, seeds in rows.items():
        draws = random.integers(len(seeds), size=(RESAMPLES, len(seeds)))
        for number, strategy in enumerate(strategies):
            mine = [runs[bug, seed, strategy] for seed in seeds]
            executions = np.array([float(run.executions) for run in mine])
            found = np.array([float(run.kind is not None) for run in mine])
            logs[number] += log_means(executions, found, draws)
            missed[strategy] += not found.any()
    means = np.exp(logs / len(rows))
    singles = [number for number, each in enumerate(strategies) if each not in (PORTFOLIO, *ENGINES)]
    best = ratio = None
    if PORTFOLIO in strategies and singles:
        best = strategies[min(singles, key=lambda number: float(means[number, 0]))]
        ratio = estimate(means[strategies.index(PORTFOLIO)] / means[singles].min(axis=0))
    named = {strategy: estimate(means[number]) for number, strategy in enumerate(strategies)}
    return Comparison(len(rows), named, missed, best, ratio)


def log_means(executions: Figures, found: Figures, draws: npt.NDArray[np.int64]) -> Figures:
    """Logarithms of the mean executions to a finding: of all runs, and of each draw."""
    spent = np.concatenate(([executions.sum()], executions[draws].sum(axis=1)))
    times = np.concatenate(([found.sum()], found[draws].sum(axis=1)))
    means: Figures = np.log(spent / np.maximum(times, 1.0))
    return means


def estimate(figures: Figures) -> Estimate:
    """The first figure, with the interval of the others."""
    low, high = np.percentile(figures[1:], LIMITS)
    return Estimate(float(figures[0]), float(low), float(high))
