"""Schedules as data: exact turns, sparse switches, and ordering constraints between labelled points."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SparseSchedule:
    """Run the current task on until it blocks or ends, then the enabled one with the lowest index, except for switches.

    switches: (turn, task index) pairs, turns ascending from 0: the task to run at that turn. One that names a task
    that cannot run then has no effect.
    """

    switches: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """A labelled point: the n-th time, counted from 1, that a task makes this access in this function."""

    task: str
    function: str
    verb: str
    occurrence: int = 1

    def __str__(self) -> str:
        suffix = "" if self.occurrence == 1 else f"#{self.occurrence}"
        return f"{self.task}:{self.function}.{self.verb}{suffix}"


@dataclass(frozen=True, slots=True)
class Constraint:
    """``before < after``: `after` is not taken before `before` has been."""

    before: Label
    after: Label

    def __str__(self) -> str:
        return f"{self.before} < {self.after}"
