"""The schedulers that can be asked for by name."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from daxfuzz.search.pct import PCT
from daxfuzz.search.random_walk import RandomWalk
from daxfuzz.search.sticky import StickyWalk
from daxfuzz.sim import Scheduler


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to search.

    summary: one line for a reader.
    make: builds the scheduler of one execution from its source of randomness and a bound on its turns.
    """

    summary: str
    make: Callable[[random.Random, int], Scheduler]

    def __call__(self, rng: random.Random, bound: int) -> Scheduler:
        return self.make(rng, bound)


def _pct(depth: int) -> Strategy:
    def make(rng: random.Random, bound: int) -> Scheduler:
        return PCT(rng, depth, bound)

    changes = "1 random change" if depth == 2 else f"{depth - 1} random changes"
    return Strategy(f"random priorities with {changes} (PCT, depth {depth})", make)


STICKY_MEANS = (5.0, 10.0, 20.0, 40.0)
"""Turns between two draws of a sticky walk; some flaws need many switches, others few."""


STRATEGIES: dict[str, Strategy] = {
    "random": Strategy("at each turn any task that can run, all equally likely", lambda rng, bound: RandomWalk(rng)),
    "pct-2": _pct(2),
    "pct-3": _pct(3),
    "pct-4": _pct(4),
    "sticky": Strategy(
        "a task that runs goes on for 5, 10, 20 or 40 turns on average, then any",
        lambda rng, bound: StickyWalk(rng, rng.choice(STICKY_MEANS)),
    ),
}
"""Names are part of the command line and of recorded campaigns: never renamed, order never changed."""


def make_scheduler(name: str, rng: random.Random, bound: int) -> Scheduler:
    """The scheduler of that name.

    rng: source of all its choices.
    bound: turns that an execution takes at most, as far as is known; at least 1.

    Raises ValueError for an unknown name.
    """
    strategy = STRATEGIES.get(name)
    if strategy is None:
        raise ValueError(f"no strategy {name!r}; there are {', '.join(STRATEGIES)}")
    return strategy(rng, bound)
