"""Reads that return what has been overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daxfuzz.oracles.oracle import Oracle

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.program.simulation import Reference
    from daxfuzz.sim import Task


WRITES = ("store", "dma_write", "truncate", "fallocate")


@dataclass(slots=True)
class Write:
    """One write to a file page, with the clock at its begin and end; end 0 while it is under way."""

    value: int
    begin: int
    end: int


class StaleData(Oracle):
    """A load returns the value of a write that no later one had replaced completely before the load began.

    Writes are stores, device writes, and the zeroes that truncate and punch leave behind.
    """

    kinds = ("stale-data",)

    def attach(self) -> None:
        if not any(call.name == "load" for calls in self.sim.program.tasks.values() for call in calls):
            return
        self.written = {
            (task.index, position): self.pages(call)
            for task in self.world.tasks
            for position, call in enumerate(self.sim.program.tasks[task.name])
            if call.name in WRITES
        }
        self.sim.on_begin.append(self.began)
        self.sim.on_end.append(self.ended)

    def reset(self) -> None:
        self.clock = 1
        self.writes: dict[tuple[str, int], list[Write]] = {}
        self.open: dict[int, list[Write]] = {}
        self.begin: dict[int, int] = {}

    def history(self, file: str, page: int) -> list[Write]:
        found = self.writes.get((file, page))
        if found is None:
            found = self.writes[file, page] = [Write(0, 0, 1)]
        return found

    def pages(self, call: Call) -> list[tuple[str, int]]:
        """File pages that a call writes; of a device write that is known only when it begins."""
        if call.name == "store":
            return [(str(call.arguments[0]), int(call.arguments[1]))]
        if call.name == "truncate":
            file, size = str(call.arguments[0]), int(call.arguments[1])
            return [(file, page) for page in range(size, self.sim.program.setup.files[file])]
        if call.name == "fallocate":
            file, first, length = str(call.arguments[0]), int(call.arguments[2]), int(call.arguments[3])
            return [(file, page) for page in range(first, first + length)]
        return []

    def file_page(self, reference: Reference) -> tuple[str, int]:
        return list(self.kernel.inodes)[reference.inode], reference.file_page

    def began(self, task: Task, call: Call) -> None:
        self.clock += 1
        self.begin[task.index] = self.clock
        pages = self.written.get((task.index, task.operation))
        if pages is None:
            return
        if call.name == "dma_write":
            reference = self.sim.registers[task.index].get(str(call.arguments[0]))
            pages = [] if reference is None else [self.file_page(reference)]
        value = self.sim.unique_value(task) if call.name in ("store", "dma_write") else 0
        writes = []
        for file, page in pages:
            write = Write(value, self.clock, 0)
            self.history(file, page).append(write)
            writes.append(write)
        self.open[task.index] = writes

    def ended(self, task: Task, call: Call, result: Result) -> None:
        self.clock += 1
        if call.name in WRITES:
            failed = isinstance(result, str) or result < 0
            for write in self.open[task.index]:
                # A write that failed may still have happened in part; it supersedes nothing.
                write.end = 1 << 60 if failed else self.clock
        elif call.name == "load" and isinstance(result, int):
            self.check(task, str(call.arguments[0]), int(call.arguments[1]), result)

    def check(self, task: Task, file: str, page: int, value: int) -> None:
        history = self.history(file, page)
        begin = self.begin[task.index]
        last = max((write.begin for write in history if write.end and write.end < begin), default=0)
        for write in history:
            if write.value == value and (not write.end or write.end >= last):
                return
        self.fail("stale-data", f"{task.name} reads {value} from {file}[{page}], which was overwritten before")
