"""A mixture of strategies, since none of them wins everywhere."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate

from daxfuzz.search.strategies import MIX, STRATEGIES, Memory
from daxfuzz.sim import Scheduler

RATE = 0.2
"""How far one round moves the weights."""

FLOOR = 0.25
"""Least weight of a strategy, as a part of what an equal share would be."""

_SEEDS = 1 << 64


class Portfolio:
    """Picks a strategy for each execution, from nothing but (seed, index) and the weights.

    The rule of :meth:`reward`, for n strategies: with c_i new results credited to strategy i in a round that ran
    under weights w_i, the yield per execution is proportional to c_i / w_i; let g_i be these, scaled to sum 1. Then

        w_i := FLOOR / n + (1 - FLOOR) * ((1 - RATE) * w_i + RATE * g_i)

    so nothing ever falls below FLOOR / n, and old success fades. A round without results leaves the weights alone.
    This is the exponential average of an importance-weighted gain with a uniform mix, as in Exp3.S (Auer,
    Cesa-Bianchi, Freund, Schapire, SIAM J. Comput. 2002), with an additive in place of an exponential update: the
    yields are rare and bursty, and an exponential one would bet everything on the first find.

    The weights are all there is to know: ``Portfolio(weights=other.weights)``, in whatever process, picks as `other`.

    weights: by name, relative to each other; strategies that are absent are off. Default: MIX.

    Raises ValueError for unknown names, or weights that are not positive.
    """

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        if weights is None:
            weights = {name: weight / sum(MIX.values()) for name, weight in MIX.items()}
        unknown = [name for name in weights if name not in STRATEGIES]
        if unknown:
            raise ValueError(f"no strategy {unknown[0]!r}; there are {', '.join(STRATEGIES)}")
        if not weights or not all(0 < weight < float("inf") for weight in weights.values()):
            raise ValueError("a portfolio has at least one strategy, and its weights are positive")
        # In the order of the registry, so that the order in which a caller names them does not matter.
        self._names = [name for name in STRATEGIES if name in weights]
        self._rng = random.Random(0)
        self._set_weights([weights[name] for name in self._names])

    @property
    def weights(self) -> dict[str, float]:
        """The present weight of each strategy."""
        return dict(zip(self._names, self._weights, strict=True))

    def make(self, seed: int, index: int, bound: int, memory: Memory | None = None) -> tuple[str, Scheduler]:
        """Strategy and scheduler of one execution.

        seed: of the whole run; at least 0.
        index: of the execution; at least 0, below 2**64.
        bound: turns that an execution takes at most, as far as is known; at least 1.
        memory: of the program, which other executions of it have filled; default: nothing is known. Executions that
            share one depend on those before, so all of them run, in one order, in one place.

        All executions share one random.Random, seeded anew here: the scheduler is good until the next call.
        """
        rng = self._rng
        rng.seed(seed * _SEEDS + index)
        position = bisect_right(self._sums, rng.random() * self._sums[-1])
        name = self._names[min(position, len(self._names) - 1)]
        return name, STRATEGIES[name].make(rng, bound, memory or Memory())

    def reward(self, counts: Mapping[str, int]) -> None:
        """Learn from a round: how many new results (findings, coverage) each strategy gave. Absent means none.

        Counts of a round are sums, so it does not matter which worker ran what. Raises ValueError for negative
        counts.
        """
        if any(count < 0 for count in counts.values()):
            raise ValueError("a count of results is not negative")
        gains = [counts.get(name, 0) / weight for name, weight in zip(self._names, self._weights, strict=True)]
        total = sum(gains)
        if not total:
            return
        floor = FLOOR / len(gains)
        size = sum(self._weights)
        self._set_weights(
            [
                floor + (1 - FLOOR) * ((1 - RATE) * weight / size + RATE * gain / total)
                for weight, gain in zip(self._weights, gains, strict=True)
            ]
        )

    def _set_weights(self, weights: list[float]) -> None:
        self._weights = weights
        self._sums = list(accumulate(weights))
