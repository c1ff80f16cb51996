"""How soon something is found, over many runs of which some end without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from daxfuzz.bench.bugs import Run
from daxfuzz.campaign.survival import Curve, kaplan_meier


def survival(runs: Sequence[Run]) -> Curve:
    """The Kaplan-Meier estimate from runs, at least one."""
    return kaplan_meier([run.executions for run in runs], [run.kind is None for run in runs])


@dataclass(frozen=True, slots=True)
class Score:
    """A sum of runs.

    found: how many ended at a finding. median_executions: the Kaplan-Meier estimate, None where fewer than half
    found anything. min_executions, max_executions, median_seconds: of the runs that did, None without any.
    kinds: of what they found, most frequent first.
    """

    seeds: int
    found: int
    median_executions: float | None
    min_executions: int | None
    max_executions: int | None
    median_seconds: float | None
    kinds: tuple[str, ...]


def score(runs: Sequence[Run]) -> Score:
    """Sum up runs, at least one."""
    found = [run for run in runs if run.kind is not None]
    kinds = Counter(run.kind for run in found if run.kind is not None)
    return Score(
        seeds=len(runs),
        found=len(found),
        median_executions=survival(runs).median(),
        min_executions=min((run.executions for run in found), default=None),
        max_executions=max((run.executions for run in found), default=None),
        median_seconds=median(run.seconds for run in found) if found else None,
        kinds=tuple(kind for kind, _ in kinds.most_common()),
    )
