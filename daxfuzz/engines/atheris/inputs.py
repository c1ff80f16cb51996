"""Inputs of the fuzzer, what they mean, and what they have shown."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar
from zlib import crc32

from daxfuzz.engines.features import Collector
from daxfuzz.engines.jobs import FIRST_BOUND
from daxfuzz.program.bytes_form import decode_parts, encode_schedule
from daxfuzz.program.case import Program
from daxfuzz.search import Memory, Portfolio, SparseReplay
from daxfuzz.sim import Execution, Scheduler, SparseSchedule
from daxfuzz.triage.bench import TURN_LIMIT, Bench, KernelChoice

MOST_INPUTS = 4_096
MOST_SUBJECTS = 256
MOST_EXECUTIONS = 16
"""What is kept for when it is needed again: executions of each subject, which takes as long to make as some of them."""

T = TypeVar("T")
K = TypeVar("K")


class Recent(Generic[K, T]):
    """Keeps what was asked for last. on_drop: called with what is not kept any longer."""

    def __init__(self, size: int, on_drop: Callable[[T], None] = lambda value: None) -> None:
        self.size = size
        self.on_drop = on_drop
        self._kept: OrderedDict[K, T] = OrderedDict()

    def get(self, key: K, make: Callable[[], T]) -> T:
        """What is kept under a key, made if it is not there."""
        found = self._kept.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        else:
            self._kept.move_to_end(key)
        return found

    def put(self, key: K, value: T) -> None:
        """Keep a value."""
        self._kept[key] = value
        if len(self._kept) > self.size:
            self.on_drop(self._kept.popitem(last=False)[1])


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes and what they mean. head: the bytes that stand for the program."""

    data: bytes
    head: bytes
    program: Program
    schedule: SparseSchedule


Outcome = tuple[Execution, tuple[int, ...]]
"""An execution, and its features."""


class Subject:
    """A program on a kernel, ready to be run again and again. observed: whether its features are looked for.

    memory, bound: what strategies know of it.
    """

    def __init__(self, program: Program, kernel: KernelChoice, observed: bool) -> None:
        self.program = program
        self.kernel = kernel
        self.bench = Bench(program, kernel)
        self._collector = Collector(self.bench) if observed else None
        self.executions: Recent[bytes, Execution] = Recent(MOST_EXECUTIONS)
        self.memory = Memory()
        self.bound = FIRST_BOUND

    def run(self, scheduler: Scheduler) -> Outcome:
        """One execution, and its features. Raises as Bench.run."""
        outcome = (self.bench.run(scheduler), ()) if self._collector is None else self._collector.run(scheduler)
        self.bound = max(len(outcome[0].turns), 1)
        return outcome

    def take_apart(self) -> None:
        """Free its memory; executions of it, which refer to what they have accessed, are of no use afterwards."""
        self.bench.take_apart()


class Inputs:
    """Decodes inputs and runs them.

    kernel: under test.
    repairs: applied on top for half of the programs, so that known flaws do not mask others. May be replaced.
    observed: whether features are looked for.
    """

    def __init__(self, kernel: KernelChoice, observed: bool = True) -> None:
        self.kernel = kernel
        self.repairs: tuple[str, ...] = ()
        self.observed = observed
        self._decoded: Recent[bytes, Input] = Recent(MOST_INPUTS)
        self._subjects: Recent[tuple[bytes, KernelChoice], Subject] = Recent(MOST_SUBJECTS, Subject.take_apart)
        self._portfolio = Portfolio()
        self._ahead: tuple[Subject, bytes, Outcome] | None = None

    def decoded(self, data: bytes) -> Input:
        """What bytes mean."""
        return self._decoded.get(data, lambda: decoded(data))

    def with_schedule(self, parent: Input, schedule: SparseSchedule) -> Input:
        """An input with another schedule. Raises ValueError as encode_schedule."""
        data = (parent.head + encode_schedule(schedule, len(parent.program.tasks))).rstrip(b"\0")
        made = Input(data, parent.head, parent.program, schedule)
        self._decoded.put(data, made)
        return made

    def searched(self, given: Input, seed: int) -> Input:
        """The same program with the schedule of a strategy, drawn from a portfolio.

        That takes an execution, which the next :meth:`run` does not make again if it is of what this returns. Whatever
        is raised here will be raised there. Raises ValueError as encode_schedule.
        """
        subject = self.subject(given)
        scheduler = self._portfolio.make(seed, 0, subject.bound, subject.memory)[1]
        outcome = None
        with suppress(Exception):
            outcome = subject.run(scheduler)
        made = self.with_schedule(given, switches_between(subject.bench.sim.world.turns))
        self._ahead = None if outcome is None else (subject, made.data, outcome)
        return made

    def subject(self, given: Input) -> Subject:
        """The program of an input on its kernel."""
        kernel = self.kernel_of(given)
        return self._subjects.get((given.head, kernel), lambda: Subject(given.program, kernel, self.observed))

    def kernel_of(self, given: Input) -> KernelChoice:
        """The kernel that an input runs on."""
        return self.kernel.plus(self.repairs) if self.repairs and crc32(given.head) % 2 else self.kernel

    def run(self, given: Input, scheduler: Scheduler | None = None) -> Outcome:
        """One execution, and its features. Raises as Bench.run.

        scheduler: one that does what the schedule of the input says, and something else besides.
        """
        subject = self.subject(given)
        ahead, self._ahead = self._ahead, None
        # The kernel of an input may be another one by now.
        if scheduler is None and ahead is not None and ahead[:2] == (subject, given.data):
            outcome = ahead[2]
        else:
            outcome = subject.run(scheduler or SparseReplay(given.schedule))
        subject.executions.put(given.data, outcome[0])
        return outcome

    def execution(self, given: Input) -> Execution:
        """An execution of an input: the one that there was, if it was lately."""
        return self.subject(given).executions.get(given.data, lambda: self.run(given)[0])


def decoded(data: bytes) -> Input:
    """What bytes mean."""
    program, schedule, size = decode_parts(data)
    return Input(data, data[:size].ljust(size, b"\0"), program, schedule)


def switches_between(turns: Sequence[int]) -> SparseSchedule:
    """A schedule that gives these turns: it says so wherever another task comes, also where none else could."""
    before = (0, *turns)
    return SparseSchedule(tuple((turn, task) for turn, task in enumerate(turns[:TURN_LIMIT]) if task != before[turn]))
