"""What the model does on a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from daxfuzz.conform.outcome import (
    ENDED,
    INTERRUPTIBLE,
    READS,
    SILENT,
    UNINTERRUPTIBLE,
    UNKNOWN,
    Facts,
    Outcome,
    result_of,
)
from daxfuzz.conform.sequence import Group, Sequence
from daxfuzz.kernel.inode import mapped_block
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.subsystem import Subsystem
from daxfuzz.program.case import Call
from daxfuzz.program.operations import Result
from daxfuzz.program.simulation import Simulation
from daxfuzz.search import Sequential
from daxfuzz.sim import Signal, Stepper, Task, TaskState


def run(
    sequence: Sequence,
    subsystems: Mapping[str, type[Subsystem]],
    filesystem: str,
    groups: tuple[Group, ...] = (),
    rng: Random | None = None,
) -> Outcome:
    """Run a sequence on a composed kernel.

    groups: in place of its turns, calls that begin together. rng: chooses who goes on at each step.
    """
    simulation = Simulation(sequence.program, subsystems, filesystem)
    turns = groups or sequence.groups
    watcher = Watcher(simulation, len(turns))
    scheduler = Sequential(turns, watcher.settled, rng)
    execution = Stepper(simulation.world).run(scheduler)
    if execution.violation is not None:
        watcher.outcome.append({"crash": str(execution.violation)})
    else:
        scheduler.finish()
    return tuple(watcher.outcome)


class Watcher:
    """Notes what can be seen each time that nobody goes on.

    outcome: so far.
    """

    def __init__(self, simulation: Simulation, steps: int) -> None:
        self.outcome: list[Facts] = []
        self._sim = simulation
        self._steps = steps
        self._ended: dict[str, str] = {}
        self._warned: list[str] = []
        self._said: set[str] = set()
        self._gone: set[str] = set()
        self._first = {
            name: [mapped_block(extent.value) for extent in inode.extents]
            for name, inode in simulation.kernel.inodes.items()
        }
        self._left: set[int] = set()
        # The model writes a value of its own then, so that the kernel's data are others.
        self._copies = any(call.name == "pwrite" for calls in simulation.program.tasks.values() for call in calls)
        simulation.on_end.append(self._end)
        simulation.kernel.on_warn = self._warn

    def _end(self, task: Task, call: Call, result: Result) -> None:
        if call.name in SILENT:
            return
        if task.signal is Signal.FATAL or result == "EXIT":
            self._end_of(task)
        elif isinstance(result, str):
            self._ended[task.name] = result
        elif call.name in READS and result >= 0 and self._copies:
            self._ended[task.name] = UNKNOWN
        else:
            self._ended[task.name] = result_of(call.name, result)

    def _end_of(self, task: Task) -> None:
        if task.name not in self._gone:
            self._gone.add(task.name)
            self._ended[task.name] = ENDED

    def _warn(self, message: str, page: Page | None) -> None:
        function = message.split(":")[0]
        if function not in self._said:
            self._said.add(function)
            self._warned.append(function)

    def settled(self) -> None:
        """Nobody goes on."""
        if len(self.outcome) > self._steps:
            return
        facts: dict[str, str] = {}
        kernel = self._sim.kernel
        for task in self._sim.world.tasks:
            if task.signal is Signal.FATAL and task.operation == -1 and task.point is not None:
                self._end_of(task)
            if task.name in self._ended:
                facts[task.name] = self._ended[task.name]
            elif task.operation >= 0 and task.blocked_on not in (None, kernel.request_queue, kernel.inodegc):
                sleeps = task.asleep and task.state is TaskState.INTERRUPTIBLE
                facts[task.name] = INTERRUPTIBLE if sleeps else UNINTERRUPTIBLE
        for name in self._first:
            counts = self._counts(name)
            if counts:
                facts[f"refs {name}"] = counts
        if self._warned:
            facts["warnings"] = " ".join(sorted(self._warned))
        self.outcome.append(facts)
        self._ended.clear()
        self._warned.clear()

    def _counts(self, name: str) -> str:
        """The reference counts of the blocks that a file began with, as long as it is known whose they are."""
        kernel = self._sim.kernel
        number = kernel.inodes[name].number
        words = []
        for pfn in self._first[name]:
            if pfn is None:
                continue
            count = kernel.pages[pfn].refcount.value
            owners = kernel.allocator.table[pfn]
            if all(owner != number for owner, _ in owners) and (owners or count == kernel.dax.idle_refcount()):
                # Somebody else may have it from now on, and which block is taken next is the allocator's choice.
                self._left.add(pfn)
            words.append(UNKNOWN if pfn in self._left else str(count))
        return " ".join(words)
