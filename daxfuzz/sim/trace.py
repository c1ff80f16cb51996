"""What an execution leaves behind, and what chooses its turns."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterator, Sequence
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
        """Turns known in advance. The host takes them without asking as long as the task named can run."""
        return ()

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        """Choose one of `enabled` (ascending indices, never empty). `current` ran last; -1 before the first turn."""
        return enabled[0]


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


def function_of(frames: Sequence[types.CodeType]) -> str:
    """Name of the innermost function that is not a primitive of this package, from a task's frames."""
    for code in reversed(frames):
        if not code.co_flags & PRIMITIVE and "/daxfuzz/sim/" not in code.co_filename.replace("\\", "/"):
            return code.co_name
    return frames[-1].co_name if frames else ""


PRIMITIVE = 0x100
"""CO_ITERABLE_COROUTINE: set on every generator that ``types.coroutine`` made a primitive."""
