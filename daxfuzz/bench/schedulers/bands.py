"""How many schedules a scheduler needs on average, and how sure that is."""

from __future__ import annotations

import random
from collections.abc import Sequence

from daxfuzz.bench.schedulers.trials import Outcome

CONFIDENCE = 0.95

RESAMPLES = 2000

FEWEST = 5
"""Trials of which resampling says anything."""


def expected(outcomes: Sequence[Outcome]) -> float | None:
    """Executions for each bug found; None without any.

    If all trials found one it is the mean. Otherwise it is what the maximum likelihood says that an unlimited trial
    takes on average, if all executions are equally likely to find the bug.
    """
    found = sum(outcome.found for outcome in outcomes)
    return sum(outcome.executions for outcome in outcomes) / found if found else None


def band(outcomes: Sequence[Outcome], memoryless: bool) -> tuple[float, float | None]:
    """Limits between which the expected number lies with a confidence of 95 %; None where there is no upper one.

    memoryless: whether all executions are equally likely to find the bug. Then the number of schedules is geometric,
        and the limits are exact (Clopper and Pearson's, for sampling up to a number of successes). Otherwise only the
        trials are alike, and the limits are those of a bootstrap over them, unless there are fewer than FEWEST.
    """
    return exact_band(outcomes) if memoryless or len(outcomes) < FEWEST else bootstrap_band(outcomes)


def exact_band(outcomes: Sequence[Outcome]) -> tuple[float, float | None]:
    """For a geometric number of schedules, of which trials may have been cut off."""
    # Importing it takes longer than most commands.
    from scipy.stats import beta

    tail = (1 - CONFIDENCE) / 2
    total = sum(outcome.executions for outcome in outcomes)
    found = sum(outcome.found for outcome in outcomes)
    # The last execution of a trial is known to be a find if no trial was cut off.
    more = found if found == len(outcomes) else found + 1
    highest = float(beta.ppf(1 - tail, more, total - found)) if total > found else 1.0
    lowest = float(beta.ppf(tail, found, total - found + 1)) if found else 0.0
    return 1 / highest, 1 / lowest if lowest else None


def bootstrap_band(outcomes: Sequence[Outcome]) -> tuple[float, float | None]:
    """Percentiles of the expected number over resampled trials. The resampling is the same in every run."""
    rng = random.Random(0)
    # A sample without a find has more than any other.
    samples = sorted((expected(rng.choices(outcomes, k=len(outcomes))) or float("inf")) for _ in range(RESAMPLES))
    tail = (1 - CONFIDENCE) / 2
    low, high = samples[int(tail * RESAMPLES)], samples[int((1 - tail) * RESAMPLES) - 1]
    if low == float("inf"):
        low = float(sum(outcome.executions for outcome in outcomes))
    return low, None if high == float("inf") else high
