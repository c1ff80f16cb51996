"""What a campaign has not seen yet, as far as that can be estimated from what it has seen."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log1p

from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.totals import Sum

PCT = "pct-"
SHARES = (1.0, 0.1, 0.01, 0.001)
"""Of programs that could show a bug, for which its chances are given."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What is unseen of the features of one kernel.

    sampled: executions whose features were looked at. once, twice: features that one, that two of them have shown.
    """

    sampled: int
    seen: int
    once: int
    twice: int

    @property
    def next_new(self) -> float:
        """How many new features the next execution shows on average: the Good-Turing estimate, features seen once over
        executions (Good, Biometrika 40, 1953; for fuzzing Boehme, STADS, TOSEM 27, 2018)."""
        return self.once / self.sampled if self.sampled else float("inf")

    @property
    def at_least(self) -> float:
        """How many features are unseen at least: Chao's lower bound (Scand. J. Statist. 11, 1984), in the form for
        executions that show several (Chao2), without its bias."""
        if not self.sampled:
            return float("inf")
        return (self.sampled - 1) / self.sampled * self.once * (self.once - 1) / (2 * (self.twice + 1))

    @property
    def share_seen(self) -> float:
        """The share of all features that is seen at most."""
        return self.seen / (self.seen + self.at_least) if self.seen else 0.0


@dataclass(frozen=True, slots=True)
class DepthRisk:
    """What PCT says about bugs of one depth on one kernel.

    executions: under PCT of this depth. tasks, steps: of a program and of an execution, on average.
    """

    depth: int
    executions: int
    tasks: float
    steps: float

    @property
    def chance(self) -> float:
        """The least probability that one execution shows a bug of this depth in a program that has one: with n tasks,
        k steps and depth d it is 1 / (n k^(d-1)) (Burckhardt et al., ASPLOS 2010)."""
        return 1 / (self.tasks * self.steps ** (self.depth - 1))

    def unseen(self, share: float) -> float:
        """The greatest probability that a bug which that share of the programs could show is still unseen."""
        return exp(self.executions * log1p(-share * self.chance)) if self.tasks > 1 else 0.0


def unseen_features(directory: Directory) -> dict[str, Unseen]:
    """What is unseen, by kernel, for those that have been looked at."""
    found: dict[str, Unseen] = {}
    for name, corpus in directory.corpora.items():
        past = directory.totals.by_kernel.get(name)
        if past is not None and past.sampled:
            times = corpus.seen_times()
            found[name] = Unseen(past.sampled, len(corpus.features), times[1], times[2])
    return found


def depth_risks(directory: Directory) -> dict[str, list[DepthRisk]]:
    """What PCT says, by kernel, for each depth that was used."""
    found: dict[str, list[DepthRisk]] = {}
    for (kernel, _, strategy), past in sorted(directory.totals.by_arm.items()):
        if strategy.startswith(PCT) and past.programs and past.executions and kernel in directory.kernels:
            found.setdefault(kernel, []).append(depth_risk(int(strategy.removeprefix(PCT)), past))
    return found


def depth_risk(depth: int, past: Sum) -> DepthRisk:
    """What PCT says after some slices."""
    return DepthRisk(depth, past.executions, past.tasks / past.programs, past.steps / past.executions)
