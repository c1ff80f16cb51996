"""What an execution leaves behind, and what chooses its turns."""

from __future__ import annotations

import hashlib
import inspect
import os
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daxfuzz.sim.point import Point

if TYPE_CHECKING:
    from daxfuzz.sim.violation import Violation
    from daxfuzz.sim.world import World


class Scheduler:
    """An oracle that says which task runs next. Subclasses decide; this one has no opinion but the lowest index."""

    def new_execution(self, world: World) -> None:
        """A fresh execution of this world begins."""

    def script(self) -> Sequence[int]:
        """Turns known in advance: indices of tasks of the world.

        The host takes them without asking as long as the task named can run, and asks from there on.
        """
        return ()

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        """Choose one of `enabled` (ascending indices, never empty). `current` ran last; -1 before the first turn."""
        return enabled[0]

    next_run: Callable[[Sequence[int], int], tuple[int, int]] | None = None
    """For a scheduler that knows more than one turn ahead: arguments as for next_task; the task, and for how many
    turns, at least 1, it is the answer to next_task as long as the enabled set does not change.

    A host may ask for runs or for single turns. How many turns were taken can be read in the world."""


@dataclass(slots=True)
class Step:
    """One turn: which task made which access, and what the access returned (None also when it returns nothing)."""

    task: int
    point: Point
    value: Any


@dataclass(slots=True)
class Execution:
    """One run of a program under one schedule.

    turns: index of the task of each turn.
    log: per turn its Point, followed by the value that the access returned, if any.
    violation: the first broken property, or None.
    deferred: violations that did not stop the program.
    stuck: indices of the tasks that were blocked when nobody could go on.
    exhausted: whether the limit of turns was reached.
    """

    turns: list[int]
    log: list[Any]
    violation: Violation | None
    deferred: list[Violation]
    stuck: tuple[int, ...]
    exhausted: bool

    def steps(self) -> Iterator[Step]:
        """The turns with their accesses, in order."""
        log = self.log
        position = 0
        for task in self.turns:
            point = log[position]
            position += 1
            value = None
            if position < len(log) and not isinstance(log[position], Point):
                value = log[position]
                position += 1
            yield Step(task, point, value)

    def digest(self) -> str:
        """Identifies the trace: who took which turn, what each access touched and returned, and how it ended."""
        text = hashlib.blake2b(digest_size=16)
        for step in self.steps():
            text.update(f"{step.task} {step.point!r} {step.value!r}\n".encode())
        kinds = [violation.kind for violation in (self.violation, *self.deferred) if violation is not None]
        text.update(f"{kinds} {self.stuck} {self.exhausted}".encode())
        return text.hexdigest()


COROUTINE = 0x80
"""CO_COROUTINE: set on every ``async def``."""

PRIMITIVE = 0x100
"""CO_ITERABLE_COROUTINE: set on every generator that ``types.coroutine`` made a primitive."""


def function_of(frames: Sequence[types.CodeType]) -> str:
    """Name of the innermost function that is not a primitive or of this package, from a task's frames."""
    for code in reversed(frames):
        if not code.co_flags & PRIMITIVE and not inside_package(code):
            return code.co_name
    return frames[-1].co_name if frames else ""


# As compilers name it, which need not be where a frozen program lies.
_HERE = os.path.dirname((lambda: None).__code__.co_filename)


def inside_package(code: types.CodeType) -> bool:
    """Whether code belongs to daxfuzz.sim itself."""
    return os.path.dirname(code.co_filename) == _HERE


def running_function() -> str:
    """Name of the innermost actor function that is running now; empty outside any turn."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_flags & COROUTINE and not inside_package(frame.f_code):
            return frame.f_code.co_name
        frame = frame.f_back
    return ""


def failing_function(violation: Violation, world: World) -> str:
    """The innermost actor function that raised a violation or, at rest, the one in which its task is stuck."""
    found = ""
    traceback = violation.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_flags & COROUTINE and not inside_package(code):
            found = code.co_name
        traceback = traceback.tb_next
    if not found:
        stuck = next((task for task in world.tasks if task.name in violation.tasks and task.point is not None), None)
        found = function_of(stuck.frames()) if stuck is not None else ""
    return found
