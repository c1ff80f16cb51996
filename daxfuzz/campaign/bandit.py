"""Which slice comes next: what pays, with a floor under everything."""

from __future__ import annotations

import random
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from math import log2
from typing import Generic, TypeVar

A = TypeVar("A", bound=Hashable)

FLOOR = 0.25
"""The share of all time that is spread by the weights alone."""

KEPT = 0.8
"""How much of what is known of an arm is left after one more slice of it: the last five count most."""

FINDING = 10.0
"""What a new finding is worth: as much as 1,023 new features in one slice."""


def gain(features: int, findings: int = 0) -> float:
    """What a slice was worth. New features count by their logarithm: the first slices bring thousands, and one that
    brings a few after weeks says more."""
    return log2(1 + features) + FINDING * findings


@dataclass(slots=True)
class Arm:
    """What is known of one choice. gain, seconds: older slices fade. spent: in all. running: of slices not over."""

    weight: float = 1.0
    gain: float = 0.0
    seconds: float = 0.0
    spent: float = 0.0
    running: float = 0.0


class Bandit(Generic[A]):
    """Chooses one of several arms, again and again.

    The gains of an arm are taken for events of a Poisson process whose rate drifts, so what is known of the rate is a
    gamma distribution: shape 1 + gains, rate m + seconds, where 1 / m is the mean rate of all arms, so that an arm of
    which nothing is known looks like the others. Gains and seconds fade with each slice (KEPT). The next arm is the
    one with the highest weight times a rate that is drawn from its distribution: Thompson sampling (Biometrika 25,
    1933; Chapelle and Li, NIPS 2011), discounted for what drifts (Raj and Kalyani, arXiv:1707.09727). Choices that are
    not over yet need no special care, since draws differ.

    First, though, comes any arm that has had less than its floor, FLOOR times its part of the weights, of all time:
    the one that is furthest below. So nothing starves, whatever it has paid so far.

    weights: of all arms; positive.
    """

    def __init__(self, weights: Mapping[A, float]) -> None:
        self.arms = {name: Arm(weight) for name, weight in weights.items()}
        self._weights = sum(weights.values())

    def choose(self, rng: random.Random) -> A:
        """The arm that comes next."""
        total = sum(arm.spent + arm.running for arm in self.arms.values())
        name, arm = min(self.arms.items(), key=lambda each: (each[1].spent + each[1].running) / each[1].weight)
        if arm.spent + arm.running < FLOOR * arm.weight / self._weights * total or not total:
            return name
        gains = sum(arm.gain for arm in self.arms.values())
        prior = (1 + sum(arm.seconds for arm in self.arms.values())) / (1 + gains)
        return max(self.arms, key=lambda each: self._draw(self.arms[each], prior, rng))

    @staticmethod
    def _draw(arm: Arm, prior: float, rng: random.Random) -> float:
        return arm.weight * rng.gammavariate(1 + arm.gain, 1 / (prior + arm.seconds))

    def begin(self, name: A, seconds: float) -> None:
        """A slice of an arm begins, of so many seconds."""
        self.arms[name].running += seconds

    def end(self, name: A, planned: float) -> None:
        """A slice that has begun is over or lost. planned: the seconds that :meth:`begin` was told."""
        arm = self.arms[name]
        arm.running = max(arm.running - planned, 0.0)

    def learn(self, name: A, gain: float, seconds: float) -> None:
        """What a slice of an arm was worth, and how long it took. Arms that are not there any more are ignored."""
        arm = self.arms.get(name)
        if arm is None:
            return
        arm.gain = KEPT * arm.gain + gain
        arm.seconds = KEPT * arm.seconds + seconds
        arm.spent += seconds

    def recall(self, name: A, gain: float, seconds: float, spent: float) -> None:
        """What earlier slices of an arm were worth on average, how long each took, and all of them."""
        arm = self.arms.get(name)
        if arm is not None:
            arm.gain += gain
            arm.seconds += seconds
            arm.spent += spent

    def reward(self, name: A, gain: float) -> None:
        """A gain that has turned out later than its slice."""
        if name in self.arms:
            self.arms[name].gain += gain
