"""Reads that return what has been overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.gup import Foll
from daxfuzz.oracles.oracle import Oracle

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.sim import Task


WRITES = frozenset(("store", "dma_write", "truncate", "fallocate"))
RELEVANT = WRITES | {"load"}


Write = list[int]
"""[value, clock at the begin, clock at the end or 0 while it is under way]: one write to a file page."""

FAILED = 1 << 60
"""End of a write that failed: it may have happened in part, and supersedes nothing."""


class StaleData(Oracle):
    """A load returns the value of a write that no later one had replaced completely before the load began.

    Writes are stores, device writes, and the zeroes that truncate and punch leave behind.
    """

    kinds = ("stale-data",)

    def attach(self) -> None:
        setup = self.sim.program.setup
        self.histories: dict[tuple[str, int], list[Write]] = {
            (file, page): [] for file, pages in setup.files.items() for page in range(pages)
        }
        programs = self.sim.program.tasks
        if not any(call.name == "load" for calls in programs.values() for call in calls):
            return
        self.written = {
            (task.index, position): self.pages(call)
            for task in self.world.tasks
            for position, call in enumerate(programs.get(task.name, ()))
            if call.name in WRITES
        }
        self.sim.on_begin.append(self.began)
        self.sim.on_end.append(self.ended)

    def reset(self) -> None:
        self.clock = 1
        for history in self.histories.values():
            history[:] = [[0, 0, 1]]
        self.open: dict[int, list[Write]] = {}
        self.begin: dict[int, int] = {}

    def pages(self, call: Call) -> list[list[Write]]:
        """Histories of the pages that a call writes; of a device write that is known only when it begins."""
        if call.name == "dma_write":
            return []
        file = str(call.arguments[0])
        if call.name == "truncate":
            pages = range(int(call.arguments[1]), self.sim.program.setup.files[file])
        elif call.name == "fallocate":
            pages = range(int(call.arguments[2]), int(call.arguments[2]) + int(call.arguments[3]))
        else:
            pages = range(int(call.arguments[1]), int(call.arguments[1]) + 1)
        return [self.histories[file, page] for page in pages]

    def device_pages(self, task: Task, call: Call) -> list[list[Write]]:
        """The histories of the pages that a register refers to."""
        names = list(self.kernel.inodes)
        references = self.sim.registers[task.index].get(str(call.arguments[0]), ())
        return [self.histories[names[each.inode], each.file_page] for each in references if each.flags & Foll.WRITE]

    def began(self, task: Task, call: Call) -> None:
        if call.name not in RELEVANT:
            return
        self.clock += 1
        self.begin[task.index] = self.clock
        if call.name == "load":
            return
        value = 0
        histories = self.written[task.index, task.operation]
        if call.name == "store":
            value = self.sim.unique_value(task)
        elif call.name == "dma_write":
            value = self.sim.unique_value(task)
            histories = self.device_pages(task, call)
        writes = []
        for history in histories:
            write = [value, self.clock, 0]
            history.append(write)
            writes.append(write)
        self.open[task.index] = writes

    def ended(self, task: Task, call: Call, result: Result) -> None:
        if call.name not in RELEVANT:
            return
        self.clock += 1
        if call.name != "load":
            end = FAILED if isinstance(result, str) or result < 0 else self.clock
            for write in self.open[task.index]:
                write[2] = end
        elif isinstance(result, int):
            self.check(task, str(call.arguments[0]), int(call.arguments[1]), result)

    def check(self, task: Task, file: str, page: int, value: int) -> None:
        """A load has returned a value."""
        history = self.histories[file, page]
        begin = self.begin[task.index]
        last = 0
        for _, write_begin, write_end in history:
            if 0 < write_end < begin and write_begin > last:
                last = write_begin
        for write_value, _, write_end in history:
            if write_value == value and (not write_end or write_end >= last):
                return
        self.fail("stale-data", f"{task.name} reads {value} from {file}[{page}], which was overwritten before")
