"""A decorator that finds programs which do not do the same thing again under the same schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from daxfuzz.search.decorator import Decorator
from daxfuzz.sim.host import DEFAULT_LIMIT

if TYPE_CHECKING:
    from daxfuzz.sim import Execution, Scheduler, World
    from daxfuzz.sim.host import Host

Question = tuple[tuple[int, ...], int, tuple[str, ...]]
"""What a scheduler sees: who can run, who ran, and what each of those who can is about to do."""


class NondeterminismError(RuntimeError):
    """The same schedule led elsewhere: state outlives an execution, or something else than the scheduler decides.

    turn: the first turn, from 0, at which the second execution differs from the first.
    """

    def __init__(self, turn: int, difference: str) -> None:
        super().__init__(f"turn {turn}: {difference}")
        self.turn = turn


class CheckDeterminism(Decorator):
    """Runs each schedule of `inner` twice: executions 1, 3, 5, ... are its own, 2, 4, 6, ... repeat the one before.

    After Shuttle's UncontrolledNondeterminismCheckScheduler. A repetition must be asked the same questions: the same
    tasks enabled, the same task current (Shuttle's two checks), and, beyond Shuttle, the same next accesses declared.
    Shuttle also compares the random numbers that the program draws; programs here draw none.

    Raises NondeterminismError from next_task, and for a repetition that ended early from the following
    :meth:`finish`, which new_execution calls.
    """

    def __init__(self, inner: Scheduler) -> None:
        super().__init__(inner)
        self._world: World | None = None
        self._questions: list[Question] = []
        self._answers: list[int] = []
        self._repeated = 0
        self._repeating = True

    def new_execution(self, world: World) -> None:
        self.finish()
        self._world = world
        self._repeating = not self._repeating
        self._repeated = 0
        if not self._repeating:
            self._questions = []
            self._answers = []
            super().new_execution(world)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        question = self._question(enabled, current)
        if self._repeating:
            return self._repeat(question)
        chosen = super().next_task(enabled, current)
        self._questions.append(question)
        self._answers.append(chosen)
        return chosen

    def finish(self) -> None:
        """Say that the execution is over. Raises NondeterminismError if it is a repetition with turns left over."""
        if self._repeating and self._repeated < len(self._answers):
            raise self._difference("the second execution ended, the first one did not")

    def _question(self, enabled: Sequence[int], current: int) -> Question:
        assert self._world is not None
        tasks = self._world.tasks
        return tuple(enabled), current, tuple(repr(tasks[task].point) for task in enabled)

    def _repeat(self, question: Question) -> int:
        turn = self._repeated
        if turn == len(self._answers):
            raise self._difference("the first execution ended, the second one did not")
        if question != self._questions[turn]:
            raise self._difference(f"{_text(self._questions[turn])}, then {_text(question)}")
        self._repeated = turn + 1
        return self._answers[turn]

    def _difference(self, text: str) -> NondeterminismError:
        # With nothing left to repeat, the execution after this one is not blamed for it, too.
        self._questions, self._answers = [], []
        return NondeterminismError(self._repeated, text)


def check_determinism(host: Host, scheduler: Scheduler, limit: int = DEFAULT_LIMIT) -> Execution:
    """Run one schedule of `scheduler` twice and return the second execution.

    Raises NondeterminismError as CheckDeterminism does, and also if only values or verdicts differ.
    """
    check = CheckDeterminism(scheduler)
    first = host.run(check, limit)
    second = host.run(check, limit)
    check.finish()
    if first.digest() != second.digest():
        steps = zip(first.steps(), second.steps(), strict=False)
        same = (turn for turn, (a, b) in enumerate(steps) if repr(a) != repr(b))
        raise NondeterminismError(
            next(same, len(second.turns)), "accesses returned other values, or the verdicts differ"
        )
    return second


def _text(question: Question) -> str:
    enabled, current, points = question
    tasks = ", ".join(f"{task} at {point}" for task, point in zip(enabled, points, strict=True))
    return f"after task {current} could run: {tasks}"
