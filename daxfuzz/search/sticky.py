"""The sticky walk: the task that runs goes on for a while, then any other may."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING

from daxfuzz.sim import Scheduler

if TYPE_CHECKING:
    from daxfuzz.sim import World


class StickyWalk(Scheduler):
    """A random walk that draws anew only now and then: at each turn with a probability of 1 / `mean`.

    Between the random walk, which hardly ever lets a task get far alone, and PCT, which lets one run until it blocks
    and returns to those it has left only in the order of their priorities. What needs a task to be left for another,
    and this for the first again, at few but arbitrary places is found by neither.

    rng: source of all choices.
    mean: turns between two draws, on average; more than 1.

    Raises ValueError for a mean that is not.
    """

    def __init__(self, rng: random.Random, mean: float) -> None:
        if mean <= 1:
            raise ValueError(f"a sticky walk needs a mean of more than 1, not {mean}")
        self._rng = rng
        self._log = log(1 - 1 / mean)
        self._turns: list[int] = []
        self._next_draw = 0

    def new_execution(self, world: World) -> None:
        self._turns = world.turns
        self._next_draw = 0

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        return self.next_run(enabled, current)[0]

    def next_run(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        turn = len(self._turns)
        if turn >= self._next_draw or current not in enabled:
            current = enabled[self._rng.randrange(len(enabled))]
            # The turns up to the next success of independent trials have a geometric distribution.
            self._next_draw = turn + 1 + int(log(1 - self._rng.random()) / self._log)
        return current, self._next_draw - turn
