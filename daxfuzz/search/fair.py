"""A fair scheduler, for what only fairness can tell: livelock, starvation."""

from __future__ import annotations

from collections.abc import Sequence

from daxfuzz.search.replay import NEVER
from daxfuzz.sim import Scheduler


class RoundRobin(Scheduler):
    """Tasks take one turn each in cyclic order of their indices, those that cannot run left out.

    A task that can run waits for at most one turn of each other task. Meant as the `suffix` of a host: a program
    that does not end under it does not end because others were preferred. It has no state, so it may take over at
    any turn.
    """

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        for task in enabled:
            if task > current:
                return task
        return enabled[0]

    def next_run(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        # A task that is alone has its turn again and again.
        return self.next_task(enabled, current), 1 if len(enabled) > 1 else NEVER
