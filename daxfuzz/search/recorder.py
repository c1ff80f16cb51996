"""A decorator that records what a scheduler was asked and what it answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.search.decorator import Decorator

if TYPE_CHECKING:
    from daxfuzz.sim import Scheduler, World


class Turn(NamedTuple):
    """One question and its answer.

    enabled: the tasks that could run.
    current: the task that ran before; -1 at the first turn.
    chosen: the task that ran.
    """

    enabled: tuple[int, ...]
    current: int
    chosen: int


class Recorder(Decorator):
    """Records every turn of the present execution, those of a script included, in `turns`."""

    def __init__(self, inner: Scheduler) -> None:
        super().__init__(inner)
        self.turns: list[Turn] = []

    def new_execution(self, world: World) -> None:
        self.turns = []
        super().new_execution(world)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        chosen = super().next_task(enabled, current)
        self.turns.append(Turn(tuple(enabled), current, chosen))
        return chosen
