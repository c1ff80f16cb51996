"""Reads that return what has been overwritten."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.histories import Histories, Private
from daxfuzz.oracles.oracle import Oracle

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task


UNMAP = frozenset(("truncate", "munmap", "madvise", "exit", "fallocate"))
"""Calls after which a private copy may be gone."""


class StaleData(Oracle):
    """A load returns the value of a write that no later one had replaced completely before the load began.

    Writes are stores, device writes, write(2), the zeroes that truncate, punch and zero range leave behind, and what
    reflink puts there.

    Through a private mapping a process sees what the file held at some time, or, once it has written, what it or a
    parent wrote, the latter before the fork; as long as nothing unmaps private copies, only the last of its own. What
    it writes is seen by nobody else. A file that one mm may map both ways is not judged: whether a store went to the
    file or to a private copy is not followed. Of contents that are moved within the file, see Histories.had.
    """

    kinds = ("stale-data",)

    def attach(self) -> None:
        calls = [call for calls in self.sim.program.tasks.values() for call in calls]
        if not any(call.name == "load" for call in calls):
            return
        self.histories = Histories.of(self.sim)
        self.unmapped = any(call.name in UNMAP and not keeps_copies(call) for call in calls)
        self.sim.on_begin.append(self.began, ("load",))
        self.sim.on_end.append(self.ended, ("load",))

    def reset(self) -> None:
        self.begin: dict[int, int] = {}

    def memory(self) -> Hashable:
        return self.histories.moments(self.begin) if self.begin else ()

    def began(self, task: Task, call: Call) -> None:
        self.begin[task.index] = self.histories.tick()

    def ended(self, task: Task, call: Call, result: Result) -> None:
        if not isinstance(result, int):
            del self.begin[task.index]
            return
        self.histories.tick()
        file, page = str(call.arguments[0]), int(call.arguments[1])
        begin = self.begin.pop(task.index)
        private = self.histories.private_of(task, file)
        if file in self.histories.mixed:
            return
        if private is None:
            fine = self.histories.current(file, page, result, begin)
        else:
            fine = self.plausible(private, file, page, result, begin)
        if not fine:
            self.fail("stale-data", f"{task.name} reads {result} from {file}[{page}], which was overwritten before")

    def plausible(self, private: Private, file: str, page: int, value: int, begin: int) -> bool:
        """Whether a process may read a value through its private mapping."""
        own = private.pages[page]
        if not self.unmapped and any(0 < write[2] < begin for write in own):
            return self.histories.fresh(own, value, begin, self.histories.clock, [])
        if any(write[0] == value for write in (*own, *private.inherited[page])):
            return True
        return self.histories.current(file, page, value, 0)


def keeps_copies(call: Call) -> bool:
    """Whether a call that frees blocks spares private copies."""
    return call.name == "fallocate" and "COLLAPSE_RANGE" not in call.arguments and "INSERT_RANGE" not in call.arguments
