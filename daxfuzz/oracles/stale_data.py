"""Reads that return what has been overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.oracles.histories import Histories
from daxfuzz.oracles.oracle import Oracle

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task


class StaleData(Oracle):
    """A load returns the value of a write that no later one had replaced completely before the load began.

    Writes are stores, device writes, write(2), and the zeroes that truncate, punch and zero range leave behind.
    """

    kinds = ("stale-data",)

    def attach(self) -> None:
        if not any(call.name == "load" for calls in self.sim.program.tasks.values() for call in calls):
            return
        self.histories = Histories.attach(self.sim)
        self.sim.on_begin.append(self.began)
        self.sim.on_end.append(self.ended)

    def reset(self) -> None:
        self.begin: dict[int, int] = {}

    def began(self, task: Task, call: Call) -> None:
        if call.name == "load":
            self.begin[task.index] = self.histories.tick()

    def ended(self, task: Task, call: Call, result: Result) -> None:
        if call.name != "load" or not isinstance(result, int):
            return
        self.histories.tick()
        file, page = str(call.arguments[0]), int(call.arguments[1])
        if not self.histories.current(file, page, result, self.begin[task.index]):
            self.fail("stale-data", f"{task.name} reads {result} from {file}[{page}], which was overwritten before")
