"""Ghost state: what was written to each file page, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.gup import Foll

if TYPE_CHECKING:
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task

VALUES = frozenset(("store", "dma_write", "write", "pwrite"))
"""Calls that write a value of their own."""
ZEROES = frozenset(("truncate", "fallocate"))
"""Calls that leave zeroes behind."""
SHIFTS = frozenset(("COLLAPSE_RANGE", "INSERT_RANGE"))
"""Modes of fallocate that move contents to other pages."""
WRITES = VALUES | ZEROES

Write = list[int]
"""[value, clock at the begin, at the end or 0 while it is under way, at the return]: one write to a file page.

The end is FAILED where the call failed; the return is that of the call all the same.
"""

FAILED = 1 << 60
"""End of a write that failed: it may have happened in part, and supersedes nothing."""


class Histories:
    """Follows the calls that write.

    clock: counts begins and ends of the calls that matter.
    pages: the writes to each file page, in the order of their begins.
    shifted: per file the clock at the end of the last call that moved its contents; 0 before the first one.
    shifting: per file how many of these are under way.
    """

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.kernel = sim.kernel
        files = sim.program.setup.files
        self.pages: dict[tuple[str, int], list[Write]] = {
            (file, page): [] for file, pages in files.items() for page in range(pages)
        }
        programs = sim.program.tasks
        self.written = {
            (task.index, position): self.of(call)
            for task in sim.world.tasks
            for position, call in enumerate(programs.get(task.name, ()))
            if call.name in WRITES
        }
        sim.on_begin.append(self.began)
        sim.on_end.append(self.ended)
        sim.world.on_reset.append(self.reset)
        self.reset()

    @classmethod
    def attach(cls, sim: Simulation) -> Histories:
        """The one of a simulation, made when it is first asked for; that has to be before an execution."""
        found = sim.ghosts.get(cls)
        if not isinstance(found, cls):
            found = sim.ghosts[cls] = cls(sim)
        return found

    def reset(self) -> None:
        self.clock = 1
        for history in self.pages.values():
            history[:] = [[0, 0, 1, 1]]
        self.open: dict[int, list[Write]] = {}
        self.shifted = dict.fromkeys(self.sim.program.setup.files, 0)
        self.shifting = dict.fromkeys(self.sim.program.setup.files, 0)

    def tick(self) -> int:
        """The next moment."""
        self.clock += 1
        return self.clock

    def of(self, call: Call) -> list[list[Write]]:
        """Histories of the pages that a call writes; of a device write that is known only when it begins."""
        if call.name == "dma_write":
            return []
        file = str(call.arguments[0])
        if call.name == "truncate":
            pages = range(int(call.arguments[1]), self.sim.program.setup.files[file])
        elif call.name == "fallocate":
            first, length = int(call.arguments[2]), int(call.arguments[3])
            zeroed = call.arguments[1] in ("PUNCH_HOLE", "ZERO_RANGE")
            pages = range(first, first + length if zeroed else first)
        else:
            pages = range(int(call.arguments[1]), int(call.arguments[1]) + 1)
        return [self.pages[file, page] for page in pages]

    def device_pages(self, task: Task, call: Call) -> list[list[Write]]:
        """The histories of the pages that a register refers to."""
        names = list(self.kernel.inodes)
        references = self.sim.registers[task.index].get(str(call.arguments[0]), ())
        return [self.pages[names[each.inode], each.file_page] for each in references if each.flags & Foll.WRITE]

    def began(self, task: Task, call: Call) -> None:
        if call.name not in WRITES:
            return
        clock = self.tick()
        if call.name == "fallocate" and call.arguments[1] in SHIFTS:
            self.shifting[str(call.arguments[0])] += 1
        value = self.sim.unique_value(task) if call.name in VALUES else 0
        histories = self.written[task.index, task.operation]
        if call.name == "dma_write":
            histories = self.device_pages(task, call)
        writes = self.open[task.index] = []
        for history in histories:
            write = [value, clock, 0, 0]
            history.append(write)
            writes.append(write)

    def ended(self, task: Task, call: Call, result: Result) -> None:
        if call.name not in WRITES:
            return
        clock = self.tick()
        if call.name == "fallocate" and call.arguments[1] in SHIFTS:
            file = str(call.arguments[0])
            self.shifting[file] -= 1
            if result == 0:
                self.shifted[file] = clock
        end = FAILED if isinstance(result, str) or result < 0 else clock
        for write in self.open[task.index]:
            write[2] = end
            write[3] = clock

    def current(self, file: str, page: int, value: int, begin: int) -> bool:
        """Whether a read that began at a moment and ends now may return a value.

        Contents that have been moved within the file are not followed: from then on, every value that was ever
        written to the file will do.
        """
        if self.shifted[file] or self.shifting[file]:
            return any(
                write[0] == value for (other, _), history in self.pages.items() if other == file for write in history
            )
        history = self.pages[file, page]
        last = 0
        for _, write_begin, write_end, _ in history:
            if 0 < write_end < begin and write_begin > last:
                last = write_begin
        for write_value, _, write_end, _ in history:
            if write_value == value and (not write_end or write_end >= last):
                return True
        return False

    def being_removed(self, file: str, page: int, begin: int) -> bool:
        """Whether a call that leaves zeroes behind was under way at some time since a moment."""
        return any(
            not value and (not returned or returned >= begin) for value, _, _, returned in self.pages[file, page]
        )
