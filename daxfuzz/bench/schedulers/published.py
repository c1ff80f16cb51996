"""Published schedules to the first bug, from the raw data of two artifacts, 20 trials each.

S: "Selectively Uniform Concurrency Testing" (Zhao, Wolff, Mathur, Roychoudhury, ASPLOS 2025), at most 10,000
schedules a trial; counted as its own analysis does, with the profiling run where there is one. Programs that this
analysis leaves out are left out here.
R: "Greybox Fuzzing for Concurrency Testing" (Wolff, Shi, Duck, Mathur, Roychoudhury, ASPLOS 2024), at most 5 minutes
a trial. The first schedule of each trial is the same one there (its seed is 0), so that a mean of 1.0 without
deviation says of that schedule that it shows the bug, and not how likely others are to.

Both run the C programs of SCTBench, as the PERIOD suite has them, under a scheduler that intercepts memory accesses
and the pthread library.
"""

from __future__ import annotations

from dataclasses import dataclass

TRIALS = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell of a table.

    artifact: S or R.
    mean, deviation: over the trials that found the bug; None where fewer than one, or two, did.
    found: how many of the TRIALS did.
    """

    program: str
    strategy: str
    artifact: str
    mean: float | None
    deviation: float | None
    found: int


FIGURES = (
    Figure("CS/account", "random", "S", 18.1, 24.1, 20),
    Figure("CS/account", "pct-3", "S", 4.3, 2.3, 20),
    Figure("CS/account", "pos", "S", 4.1, 3.3, 20),
    Figure("CS/account", "uniform", "S", 2.9, 1.3, 20),
    Figure("CS/account", "surw", "S", 5.8, 5.0, 20),
    Figure("CS/account", "pct-3", "R", 8.6, 7.0, 20),
    Figure("CS/account", "pos", "R", 1.0, 0.0, 20),
    Figure("CS/account", "rff", "R", 1.0, 0.0, 20),
    Figure("CS/carter01", "pct-3", "R", 5.2, 4.3, 20),
    Figure("CS/carter01", "pos", "R", 2.1, 1.3, 20),
    Figure("CS/carter01", "rff", "R", 1.9, 1.3, 20),
    Figure("CS/circular_buffer", "pct-3", "R", 5.0, 4.2, 20),
    Figure("CS/circular_buffer", "pos", "R", 1.6, 1.2, 20),
    Figure("CS/circular_buffer", "rff", "R", 1.6, 1.3, 20),
    Figure("CS/deadlock01", "random", "S", 3.2, 2.8, 20),
    Figure("CS/deadlock01", "pct-3", "S", 12.9, 12.4, 20),
    Figure("CS/deadlock01", "pos", "S", 3.5, 3.2, 20),
    Figure("CS/deadlock01", "uniform", "S", 2.6, 0.9, 20),
    Figure("CS/deadlock01", "surw", "S", 1.8, 0.4, 20),
    Figure("CS/deadlock01", "pct-3", "R", 20.1, 20.3, 20),
    Figure("CS/deadlock01", "pos", "R", 4.3, 2.6, 20),
    Figure("CS/deadlock01", "rff", "R", 4.7, 3.8, 20),
    Figure("CS/lazy01", "random", "S", 20.6, 20.6, 20),
    Figure("CS/lazy01", "pct-3", "S", 4.9, 2.8, 20),
    Figure("CS/lazy01", "pos", "S", 4.7, 3.4, 20),
    Figure("CS/lazy01", "uniform", "S", 4.0, 2.5, 20),
    Figure("CS/lazy01", "surw", "S", 2.0, 0.0, 20),
    Figure("CS/lazy01", "pct-3", "R", 10.2, 6.5, 20),
    Figure("CS/lazy01", "pos", "R", 5.2, 3.9, 20),
    Figure("CS/lazy01", "rff", "R", 6.4, 6.4, 20),
    Figure("CS/queue", "pct-3", "R", 12.0, 13.6, 20),
    Figure("CS/queue", "pos", "R", 1.0, 0.0, 20),
    Figure("CS/queue", "rff", "R", 1.0, 0.0, 20),
    Figure("CS/token_ring", "random", "S", 13.0, 13.0, 20),
    Figure("CS/token_ring", "pct-3", "S", 8.2, 6.0, 20),
    Figure("CS/token_ring", "pos", "S", 8.6, 10.8, 20),
    Figure("CS/token_ring", "uniform", "S", 9.0, 5.9, 20),
    Figure("CS/token_ring", "surw", "S", 8.2, 5.8, 20),
    Figure("CS/token_ring", "pct-3", "R", 7.7, 6.2, 20),
    Figure("CS/token_ring", "pos", "R", 7.0, 5.2, 20),
    Figure("CS/token_ring", "rff", "R", 5.1, 4.7, 20),
    Figure("CS/twostage", "random", "S", 464.1, 580.9, 20),
    Figure("CS/twostage", "pct-3", "S", 12.6, 14.3, 20),
    Figure("CS/twostage", "pos", "S", 15.1, 12.0, 20),
    Figure("CS/twostage", "uniform", "S", 9.0, 8.3, 20),
    Figure("CS/twostage", "surw", "S", 7.5, 4.3, 20),
    Figure("CS/twostage", "pct-3", "R", 8.9, 9.2, 20),
    Figure("CS/twostage", "pos", "R", 14.6, 15.6, 20),
    Figure("CS/twostage", "rff", "R", 8.2, 6.9, 20),
    Figure("CS/twostage_50", "random", "S", None, None, 0),
    Figure("CS/twostage_50", "pct-3", "S", 1676.0, 1715.4, 20),
    Figure("CS/twostage_50", "pos", "S", 1637.2, 1385.2, 20),
    Figure("CS/twostage_50", "uniform", "S", 92.9, 58.0, 20),
    Figure("CS/twostage_50", "surw", "S", 20.5, 16.9, 20),
    Figure("CS/twostage_50", "pct-3", "R", 849.0, 870.3, 20),
    Figure("CS/twostage_50", "pos", "R", 1983.6, 1238.2, 19),
    Figure("CS/twostage_50", "rff", "R", 35.1, 26.8, 20),
    Figure("CS/reorder_3", "random", "S", None, None, 0),
    Figure("CS/reorder_3", "pct-3", "S", 185.2, 199.0, 20),
    Figure("CS/reorder_3", "pos", "S", 85.5, 70.4, 20),
    Figure("CS/reorder_3", "uniform", "S", 23.9, 22.6, 20),
    Figure("CS/reorder_3", "surw", "S", 7.3, 6.6, 20),
    Figure("CS/reorder_3", "pct-3", "R", 241.1, 336.1, 20),
    Figure("CS/reorder_3", "pos", "R", 222.7, 165.7, 20),
    Figure("CS/reorder_3", "rff", "R", 6.7, 5.2, 20),
    Figure("CS/reorder_4", "random", "S", None, None, 0),
    Figure("CS/reorder_4", "pct-3", "S", 554.0, 642.8, 20),
    Figure("CS/reorder_4", "pos", "S", 533.0, 650.7, 20),
    Figure("CS/reorder_4", "uniform", "S", 21.9, 26.7, 20),
    Figure("CS/reorder_4", "surw", "S", 7.3, 6.1, 20),
    Figure("CS/reorder_4", "pct-3", "R", 395.3, 319.7, 20),
    Figure("CS/reorder_4", "pos", "R", 1463.6, 1829.3, 20),
    Figure("CS/reorder_4", "rff", "R", 6.2, 4.9, 20),
    Figure("CS/reorder_5", "random", "S", None, None, 0),
    Figure("CS/reorder_5", "pct-3", "S", 646.8, 517.5, 20),
    Figure("CS/reorder_5", "pos", "S", 2169.1, 2182.0, 20),
    Figure("CS/reorder_5", "uniform", "S", 27.3, 28.3, 20),
    Figure("CS/reorder_5", "surw", "S", 10.4, 8.9, 20),
    Figure("CS/reorder_5", "pct-3", "R", 1126.0, 1044.7, 20),
    Figure("CS/reorder_5", "pos", "R", 4377.4, 4208.1, 17),
    Figure("CS/reorder_5", "rff", "R", 5.8, 4.5, 20),
    Figure("CS/reorder_20", "random", "S", None, None, 0),
    Figure("CS/reorder_20", "pct-3", "S", 3005.1, 2680.4, 20),
    Figure("CS/reorder_20", "pos", "S", None, None, 0),
    Figure("CS/reorder_20", "uniform", "S", 9.7, 9.1, 20),
    Figure("CS/reorder_20", "surw", "S", 6.0, 4.1, 20),
    Figure("CS/reorder_20", "pct-3", "R", 2127.7, 2284.0, 20),
    Figure("CS/reorder_20", "pos", "R", None, None, 0),
    Figure("CS/reorder_20", "rff", "R", 5.8, 4.5, 20),
    Figure("CS/wronglock", "random", "S", 35.9, 41.9, 20),
    Figure("CS/wronglock", "pct-3", "S", 51.1, 50.2, 20),
    Figure("CS/wronglock", "pos", "S", 10.2, 13.7, 20),
    Figure("CS/wronglock", "uniform", "S", 3.5, 1.4, 20),
    Figure("CS/wronglock", "surw", "S", 7.5, 7.0, 20),
    Figure("CS/wronglock", "pct-3", "R", 88.2, 98.4, 20),
    Figure("CS/wronglock", "pos", "R", 1.0, 0.0, 20),
    Figure("CS/wronglock", "rff", "R", 1.0, 0.0, 20),
    Figure("Chess/WorkStealQueue", "pct-3", "S", 48.1, 48.7, 20),
    Figure("Chess/WorkStealQueue", "pos", "S", 12.5, 7.4, 20),
    Figure("Chess/WorkStealQueue", "uniform", "S", 12.8, 9.9, 20),
    Figure("Chess/WorkStealQueue", "surw", "S", 6.0, 4.1, 20),
    Figure("Chess/WorkStealQueue", "pct-3", "R", 12.1, 13.6, 20),
    Figure("Chess/WorkStealQueue", "pos", "R", 10.1, 8.6, 20),
    Figure("Chess/WorkStealQueue", "rff", "R", 10.1, 7.9, 20),
)


def figures(program: str, strategy: str) -> list[Figure]:
    """What is published on a program and a strategy, S before R."""
    return [each for each in FIGURES if (each.program, each.strategy) == (program, strategy)]
