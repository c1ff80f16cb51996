"""Trials summed up: one row for each program and strategy, beside what is published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean, stdev

from daxfuzz.bench.schedulers.bands import band, expected
from daxfuzz.bench.schedulers.published import Figure, figures
from daxfuzz.bench.schedulers.strategies import CONTESTANTS
from daxfuzz.bench.schedulers.trials import Outcome, Trial


@dataclass(frozen=True, slots=True)
class Row:
    """A program with a strategy.

    mean, deviation: of the schedules to the first bug, over the trials that found it, as the artifacts count; None
        where fewer than one, or two, did.
    expected: that number if no trial were cut off (:func:`~.bands.expected`).
    low, high: its limits, with a confidence of 95 %.
    figures: published ones, possibly none.
    """

    program: str
    strategy: str
    trials: int
    found: int
    mean: float | None
    deviation: float | None
    expected: float | None
    low: float
    high: float | None
    figures: tuple[Figure, ...]

    @property
    def published(self) -> Figure | None:
        """The figure to look at first: of those with a mean, artifact S's if it has one."""
        return next((figure for figure in self.figures if figure.mean is not None), None)


def rows(outcomes: Mapping[Trial, Outcome]) -> Iterator[Row]:
    """Each program with each strategy, in the order of the trials."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for trial, outcome in outcomes.items():
        groups.setdefault((trial.program, trial.strategy), []).append(outcome)
    for (program, strategy), group in groups.items():
        found = [outcome.executions for outcome in group if outcome.found]
        low, high = band(group, CONTESTANTS[strategy].memoryless)
        yield Row(
            program,
            strategy,
            trials=len(group),
            found=len(found),
            mean=fmean(found) if found else None,
            deviation=stdev(found) if len(found) > 1 else None,
            expected=expected(group),
            low=low,
            high=high,
            figures=tuple(figures(program, strategy)),
        )
