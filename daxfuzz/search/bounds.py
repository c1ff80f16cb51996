"""What an exhaustive search may spend, and where that cuts it."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

MEBIBYTE = 1 << 20
LONGEST = 10_000
"""Steps after which an execution is not followed any further, if nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """None: no bound.

    preemptions: of one execution. A switch away from a task that could go on is one.
    steps: of one execution.
    executions, seconds: of the whole search.
    memory: of the process at its peak, in bytes.
    """

    preemptions: int | None = None
    steps: int | None = None
    executions: int | None = None
    seconds: float | None = None
    memory: int | None = None

    def longest(self) -> int:
        """Steps of one execution that are followed."""
        return LONGEST if self.steps is None else self.steps

    def spent(self, executions: int, ways: int, started: float) -> str:
        """Which bound of the whole search is reached, empty if none. ways: how often it came to the end of one."""
        if self.executions is not None and executions >= self.executions:
            return "executions"
        if self.seconds is not None and time.monotonic() - started >= self.seconds:
            return "time"
        if self.memory is not None and ways % 256 == 0 and peak_memory() >= self.memory:
            return "memory"
        return ""


UNBOUNDED = Bounds()


def peak_memory() -> int:
    """The most memory that the process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
