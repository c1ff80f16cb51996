"""One call after the other, or a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING

from daxfuzz.search.replay import default_task
from daxfuzz.sim import Scheduler, Signal

if TYPE_CHECKING:
    from daxfuzz.sim import Task, World

BETWEEN_CALLS = -1
"""Task.operation of a task that rests before its next call."""

Group = tuple[int, ...]


class Sequential(Scheduler):
    """Begins calls in a given order, each when nobody who has begun one can go on any more.

    Needs tasks that keep Task.operation as programs do: a negative number other than BETWEEN_CALLS counts as going on.
    A turn of a task that is in a call or has ended is passed over. A signal that reaches a task between two calls is
    handled there: it interrupts nothing that comes later. After the last turn it goes by the default rule.

    turns: indices of tasks, one a call; or groups of them, whose calls begin together.
    on_settled: called when nobody can go on: before the first turn, and after each.
    rng: chooses at each step who goes on; without it, the default rule does.
    """

    def __init__(
        self,
        turns: Sequence[int | Group],
        on_settled: Callable[[], None] | None = None,
        rng: Random | None = None,
    ) -> None:
        self.turns = tuple(turn if isinstance(turn, tuple) else (turn,) for turn in turns)
        self.on_settled = on_settled
        self.rng = rng
        self._left: Iterator[Group] = iter(())
        self._ready: list[int] = []
        self._tasks: list[Task] = []

    def new_execution(self, world: World) -> None:
        self._left = iter(self.turns)
        self._ready = []
        self._tasks = world.tasks

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        going = [task for task in enabled if task in self._ready or self._tasks[task].operation != BETWEEN_CALLS]
        if not going:
            going = self._begin(enabled) or list(enabled)
        task = self.rng.choice(going) if self.rng is not None else default_task(going, current)
        if task in self._ready:
            self._ready.remove(task)
        return task

    def finish(self) -> None:
        """The execution is over: what is left of the turns is passed over."""
        self._begin(())

    def _begin(self, enabled: Sequence[int]) -> list[int]:
        """The tasks of the next turn that can begin a call. Turns of which none can are passed over."""
        while True:
            for task in enabled:
                if self._tasks[task].signal is Signal.PENDING:
                    self._tasks[task].signal = Signal.NONE
            if self.on_settled is not None:
                self.on_settled()
            turn = next(self._left, None)
            if turn is None:
                return []
            self._ready = [each for each in turn if each in enabled and self._tasks[each].signal is not Signal.FATAL]
            if self._ready:
                return list(self._ready)
