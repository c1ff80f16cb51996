"""Replay of schedules: exact turns, and sparse switches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from daxfuzz.sim import Scheduler, SparseSchedule, Stepper

if TYPE_CHECKING:
    from daxfuzz.sim import Execution, World

NEVER = 1 << 60
"""A turn that no execution gets to."""


class DivergedError(ValueError):
    """A schedule that was to be replayed exactly does not fit its program.

    turn: the first turn, from 0, that could not be taken as recorded.
    """

    def __init__(self, turn: int) -> None:
        super().__init__(f"turn {turn} of the schedule cannot be taken")
        self.turn = turn


def default_task(enabled: Sequence[int], current: int) -> int:
    """Who runs unless a schedule says otherwise.

    The current task as long as it can; when it is blocked or has ended, and at the first turn (current is -1), the
    enabled task with the lowest index.
    """
    return current if current in enabled else enabled[0]


def first_divergence(turns: Sequence[int], taken: Sequence[int]) -> int | None:
    """The first turn, from 0, at which `taken` is not what `turns` says; None if it begins with all of `turns`."""
    for position, (scripted, task) in enumerate(zip(turns, taken, strict=False)):
        if scripted != task:
            return position
    return len(taken) if len(taken) < len(turns) else None


class Replay(Scheduler):
    """Takes recorded turns, without being asked, as long as they can be taken; then goes by :func:`default_task`.

    turns: task indices, one per turn. An index that no task has ends the part that is taken as recorded.
    """

    def __init__(self, turns: Sequence[int]) -> None:
        self.turns = tuple(turns)
        self._script: tuple[int, ...] = ()
        self._taken: list[int] | None = None
        self._before = 0
        self._diverged_at: int | None = None
        self._asked = False

    @property
    def diverged_at(self) -> int | None:
        """First turn, from 0, that was not taken as recorded; None if all were.

        Right from the end of an execution. It is also the number of turns taken if the execution ended, by itself or
        by the host's limit, with recorded turns left over.
        """
        return self._diverged_at if self._asked else self._shortfall()

    def new_execution(self, world: World) -> None:
        self._taken = world.turns
        self._asked = False
        self._before = len(world.turns)
        count = len(world.tasks)
        invalid = (turn for turn, task in enumerate(self.turns) if not 0 <= task < count)
        self._script = self.turns[: next(invalid, None)]

    def script(self) -> Sequence[int]:
        return self._script

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        if not self._asked:
            self._diverged_at = self._shortfall()
            self._asked = True
        return current if current in enabled else enabled[0]

    def next_run(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        return self.next_task(enabled, current), NEVER

    def _shortfall(self) -> int | None:
        # The host takes scripted turns on its own; the world is where their number can be read.
        if self._taken is None:
            return None
        taken = len(self._taken) - self._before
        return taken if taken < len(self.turns) else None


class SparseReplay(Scheduler):
    """Goes by :func:`default_task` except for the switches of a schedule; one that names a blocked task is skipped.

    Raises ValueError if the turns of the schedule do not ascend from 0.
    """

    def __init__(self, schedule: SparseSchedule) -> None:
        turns = [turn for turn, _ in schedule.switches]
        if any(earlier >= later for earlier, later in zip([-1, *turns], turns, strict=False)):
            raise ValueError("the turns of a sparse schedule ascend from 0")
        self.schedule = schedule
        self._switches = schedule.switches
        self._position = 0
        self._next = NEVER
        self._turns: list[int] = []
        self._start = 0

    def new_execution(self, world: World) -> None:
        self._turns = world.turns
        self._start = len(world.turns)
        self._position = 0
        self._next = self._switches[0][0] if self._switches else NEVER

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        return self.next_run(enabled, current)[0]

    def next_run(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        turn = len(self._turns) - self._start
        task = current if current in enabled else enabled[0]
        if turn == self._next:
            switched = self._switch()
            if switched in enabled:
                task = switched
        return task, self._next - turn

    def _switch(self) -> int:
        """The task of the switch that is due; moves on to the next one."""
        task = self._switches[self._position][1]
        self._position += 1
        more = self._position < len(self._switches)
        self._next = self._switches[self._position][0] if more else NEVER
        return task


def replay_exactly(world: World, scheduler: Scheduler, turns: Sequence[int]) -> Execution:
    """Run `scheduler`, some decorator of ``Replay(turns)``, for exactly these turns on a stepper.

    Raises DivergedError if they cannot all be taken.
    """
    execution = Stepper(world).run(scheduler, limit=len(turns))
    turn = first_divergence(turns, execution.turns)
    if turn is not None:
        raise DivergedError(turn)
    return execution
