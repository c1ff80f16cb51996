"""PCT: random priorities with a few random change points."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from daxfuzz.search.replay import NEVER
from daxfuzz.sim import Scheduler

if TYPE_CHECKING:
    from daxfuzz.sim import World


class PCT(Scheduler):
    """Probabilistic concurrency testing with a guarantee.

    Burckhardt, Kothari, Musuvathi, Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of Finding
    Bugs" (ASPLOS 2010). The n tasks get distinct random priorities d .. d+n-1, and the enabled task of highest
    priority runs. d-1 change points k_i are drawn from 1 .. k, each on its own, so two may coincide; the task that
    takes the k_i-th turn has priority d-i from then on. A bug that d ordering constraints suffice to produce is
    found by one execution with probability at least 1 / (n k^(d-1)), when no execution takes more than k turns.

    Deviations from the paper:

    - k is not given beforehand for every program: it is the larger of `bound` and the longest execution this object
      has seen. Until it has seen one as long as they get, the guarantee holds with that k only for bugs whose change
      points lie in the first k turns.
    - All tasks exist from the start, so the permutation is drawn once; nothing is spawned later.
    - Two tasks that wait for each other by polling starve the lower one. The paper's remedy is a yield that lowers
      the priority; here the host takes a fair suffix (:class:`~daxfuzz.search.fair.RoundRobin`) after its limit.

    rng: source of all choices.
    depth: d, at least 1. With 1 there is no change point.
    bound: k, in turns, as far as the caller knows it; at least 1. Portfolios pass what all executions so far took,
        since an object made for one execution learns nothing.

    Raises ValueError for a depth or bound below 1.
    """

    def __init__(self, rng: random.Random, depth: int, bound: int = 1) -> None:
        if depth < 1 or bound < 1:
            raise ValueError(f"PCT needs a depth and a bound of at least 1, not {depth} and {bound}")
        self.depth = depth
        self.bound = bound
        self._rng = rng
        self._longest = 0
        self._turns: list[int] = []
        self._start = 0
        self._priority: list[int] = []
        self._order: list[int] = []
        self._changes: list[tuple[int, int]] = []
        self._next_change = NEVER

    @property
    def steps_seen(self) -> int:
        """Turns of the longest execution so far, the present one included, each counted from where this took over."""
        return max(self._longest, len(self._turns) - self._start)

    def new_execution(self, world: World) -> None:
        self._longest = self.steps_seen
        self._turns = world.turns
        self._start = len(world.turns)
        self._order = list(range(len(world.tasks)))
        self._rng.shuffle(self._order)
        self._priority = [0] * len(self._order)
        for position, task in enumerate(reversed(self._order)):
            self._priority[task] = self.depth + position
        self._draw_changes(max(self.bound, self._longest))

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        return self.next_run(enabled, current)[0]

    def next_run(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        turn = len(self._turns) - self._start
        if turn == self._next_change:
            self._lower(current)
        for task in self._order:
            if task in enabled:
                return task, self._next_change - turn
        raise AssertionError("a scheduler is not asked when no task can run")

    def _draw_changes(self, bound: int) -> None:
        randrange = self._rng.randrange
        changes = [(randrange(bound) + 1, self.depth - i) for i in range(1, self.depth)]
        # Latest first, for pop(). Of coinciding ones the paper's loop leaves the last, which has the lowest priority.
        changes.sort(key=lambda change: (-change[0], change[1]))
        self._changes = changes
        self._next_change = changes[-1][0] if changes else NEVER

    def _lower(self, current: int) -> None:
        """Apply the change points that lie right behind the turn that `current` has just taken."""
        changes = self._changes
        while changes and changes[-1][0] == self._next_change:
            self._priority[current] = changes.pop()[1]
        self._next_change = changes[-1][0] if changes else NEVER
        self._order.sort(key=self._priority.__getitem__, reverse=True)
