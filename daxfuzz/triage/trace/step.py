"""What a trace consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daxfuzz.sim import Label


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the model. function: by the kernel's name; file: from the top of a checkout; line: from 1."""

    function: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Holding:
    """A lock that a task holds."""

    lock: str
    write: bool


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task between two steps.

    state: "ready", "asleep" until a wake-up, "blocked" until somebody lets it go on, or "ended".
    call: the operation that it is in, as written in the program; empty before the first one.
    stack: where it is, the outermost function first.
    next: the access that it makes at its next turn; empty once it has ended.
    waits_for: the object that keeps it from running, with what it waits for there; empty unless it waits.
    blocked_by: the tasks that it waits for, as far as the object can tell.
    holds: its locks, in the order in which it took them.
    """

    state: str
    call: str = ""
    stack: tuple[Place, ...] = ()
    next: str = ""
    waits_for: str = ""
    blocked_by: tuple[str, ...] = ()
    holds: tuple[Holding, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    turn: its number, from 0.
    call: the operation that it belongs to, as written in the program.
    function: of the kernel under test, by the name that the kernel has for it.
    access: the verb of its access; object: what is accessed; value: what the access returned, empty if nothing.
    changed: the shared state and the tasks that changed, in words.
    label: its name in ordering constraints.
    stack: where in the model it happens, the outermost function first.
    clock: per task, how many of that task's steps come before this one in every interleaving with the same effect;
        of its own, those up to this one.
    woken: tasks that slept and that it woke.
    released: tasks that were blocked and that it lets go on.
    state: the shared state that is different now, by name; None for what is gone.
    tasks: the tasks that are different now, by name.
    """

    turn: int
    task: str
    call: str
    function: str
    access: str
    object: str
    value: str
    changed: tuple[str, ...]
    label: Label
    stack: tuple[Place, ...]
    clock: tuple[int, ...]
    woken: tuple[str, ...]
    released: tuple[str, ...]
    state: Mapping[str, str | None]
    tasks: Mapping[str, TaskView]


@dataclass(frozen=True, slots=True)
class Trace:
    """An execution.

    state, tasks: before the first step, by name.
    groups: per name of shared state, the thing that it belongs to ("page0", "locks").
    objects: per name of shared state, the object that it is of, as steps name it.
    """

    state: Mapping[str, str]
    groups: Mapping[str, str]
    objects: Mapping[str, str]
    tasks: Mapping[str, TaskView]
    steps: tuple[Step, ...]
