"""How soon something is found, where some of the tries end without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose


@dataclass(frozen=True, slots=True)
class Curve:
    """The share of runs that are still without a finding: it falls to shares[i] at executions[i]."""

    executions: tuple[float, ...]
    shares: tuple[float, ...]

    def median(self) -> float | None:
        """After how many executions at most half of the runs are left; None if more are left at the end."""
        for executions, share in zip(self.executions, self.shares, strict=True):
            if share <= 0.5 or isclose(share, 0.5):
                return executions
        return None


def kaplan_meier(executions: Sequence[float], censored: Sequence[bool]) -> Curve:
    """The Kaplan-Meier estimate (J. Amer. Statist. Assoc. 53, 1958).

    executions: of each try, at least one; censored: whether it ended without the finding.
    """
    # Importing it takes longer than most commands.
    from scipy.stats import CensoredData, ecdf

    sample = CensoredData.right_censored([float(each) for each in executions], list(censored))
    curve = ecdf(sample).sf
    return Curve(tuple(map(float, curve.quantiles)), tuple(map(float, curve.probabilities)))
