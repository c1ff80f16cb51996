"""Concurrency coverage: what an execution shows of how its tasks meet, as a set of numbers.

Four families: what a task reads of what another one wrote; who takes a lock after whom; who wakes whom; and the states
that pages, and entries with waiters, go through. A feature says which operations and which accesses met, never which
file, page or task it was, so features of different programs can be compared. It is a number below 2**32, the same in
every process and on every machine. Two that differ have the same number with a probability of 2**-30.

    features_of(load_case("case.dax"))                # of a case, as repro replays it
    Collector(Bench(program, kernel)).run(scheduler)  # of many executions of one program
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING
from zlib import crc32

from daxfuzz.engines.entry_states import EntryState, EntryStates
from daxfuzz.engines.page_states import PageState, PageStates
from daxfuzz.program.user_space import UserSpace
from daxfuzz.search import OrderReplay, Replay
from daxfuzz.sim import Access, Point
from daxfuzz.triage.bench import Bench, KernelChoice
from daxfuzz.triage.replay import turns_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daxfuzz.program.case import Case, Program
    from daxfuzz.sim import Execution, Scheduler, Shared

FAMILY_BITS = 30
"""A feature is its family times 2**30, plus 30 bits that stand for the rest."""

TASK_BITS = 4
"""Of the number of a task, beside the access that it made."""

CODE_BITS = 34
"""Of what stands for an access, and how it meets another one."""


class Family(IntEnum):
    """What kind of feature it is."""

    READS_FROM = 0
    """An access reads what an access of another task was the last to write."""
    HAND_OVER = 1
    """A lock is taken that another task was the last to release."""
    WAKE = 2
    """A sleeper goes on after another task has woken its queue."""
    PAGE = 3
    """A page, or an entry of a file, was in this state."""


def family(feature: int) -> Family:
    """The family of a feature."""
    return Family(feature >> FAMILY_BITS)


def features_of(case: Case, kernel: KernelChoice | None = None) -> tuple[int, ...]:
    """The features of a case, ascending: of its steps, else of its order, else of the default schedule.

    kernel: what it runs on; default: its own. Raises as composing and running it does.
    """
    collector = Collector(Bench(case.program, kernel or KernelChoice(case.kernel)))
    steps, order = turns_of(case), case.schedule.order
    return collector.run(OrderReplay(order) if order and not steps else Replay(steps))[1]


class Collector:
    """Finds the features of executions of one program.

    It listens to what happens to pages, so executions of its bench take longer from now on.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._pages = PageStates(bench.sim)
        self._entries = EntryStates(bench.sim)
        self._names = _Names(bench.program)
        # Slot 0 is nobody's.
        self._slots = {obj: 1 + len(_MEETINGS) * number for number, obj in enumerate(bench.sim.world.objects)}
        self._calls = [("", *(call.name for call in calls)) for calls in bench.program.tasks.values()]
        self._roles: list[list[dict[Point, tuple[_Role, ...]]]] = [[{} for _ in calls] for calls in self._calls]

    def run(self, scheduler: Scheduler) -> tuple[Execution, tuple[int, ...]]:
        """One execution on the stepper, and its features, ascending. Raises as Bench.run."""
        execution = self.bench.run(scheduler)
        return execution, self.of_last(execution)

    def of_last(self, execution: Execution) -> tuple[int, ...]:
        """The features, ascending, of the execution that the bench has made last, on either host."""
        found = self._meetings(execution)
        found.update(map(_page_feature, self._pages.seen))
        found.update(map(_entry_feature, self._entries.seen))
        return tuple(sorted(found))

    def _meetings(self, execution: Execution) -> set[int]:
        """How accesses of different tasks meet."""
        at = [0] * len(self._calls)
        tables = [of_task[0] for of_task in self._roles]
        last = [0] * (1 + len(_MEETINGS) * len(self._slots))
        others = (1 << TASK_BITS) - 1
        found: set[int] = set()
        points = [item for item in execution.log if type(item) is Point]
        for task, point in zip(execution.turns, points, strict=False):
            roles = tables[task].get(point)
            if roles is None:
                if type(point.object) is UserSpace:
                    at[task] += 1
                    tables[task] = self._roles[task][at[task]]
                    continue
                roles = tables[task][point] = tuple(self._roles_of(task, self._calls[task][at[task]], point))
            for reads, as_reader, writes, as_writer in roles:
                before = last[reads]
                if before and before & others != task:
                    found.add(before >> TASK_BITS << CODE_BITS | as_reader)
                if writes:
                    last[writes] = as_writer
        return set(map(_meeting_feature, found))

    def _roles_of(self, task: int, call: str, point: Point) -> Iterator[_Role]:
        """What a step can be to those of other tasks."""
        for obj, access in ((point.object, point.access), *point.also):
            code = crc32(f"{call} {self._names.of(obj)} {point.verb} {access.name}".encode()) or 1
            reads, writes = _MEETS[access]
            first = self._slots[obj]
            yield (
                0 if reads is None else first + reads,
                0 if reads is None else code << 2 | reads,
                0 if writes is None else first + writes,
                code << TASK_BITS | task,
            )


_Role = tuple[int, int, int, int]
"""What an access may meet in another task: the slot where that one is noted, and what stands for this one as a reader;
the slot where this one is noted, and what stands for it as a writer. Slot 0 is for none."""

_MEETINGS = (Family.READS_FROM, Family.HAND_OVER, Family.WAKE)

_MEETS: dict[Access, tuple[Family | None, Family | None]] = {
    Access.READ: (Family.READS_FROM, None),
    Access.WRITE: (None, Family.READS_FROM),
    Access.UPDATE: (Family.READS_FROM, Family.READS_FROM),
    Access.ADD: (None, Family.READS_FROM),
    Access.LOCK: (Family.HAND_OVER, None),
    Access.UNLOCK: (None, Family.HAND_OVER),
    Access.SLEEP: (Family.WAKE, None),
    # Who wakes looks who waits.
    Access.WAKE: (Family.READS_FROM, Family.WAKE),
}
"""Per access the family in which it comes after one of another task, and that in which one comes after it."""


class _Names:
    """Objects by what they are, without numbers and without the names that a program gives."""

    def __init__(self, program: Program) -> None:
        self._kinds = {
            **dict.fromkeys(program.setup.files, "file"),
            **dict.fromkeys(program.setup.mms, "mm"),
            **dict.fromkeys(program.tasks, "task"),
        }
        self._found: dict[Shared, str] = {}

    def of(self, obj: Shared) -> str:
        """The name of an object."""
        name = self._found.get(obj)
        if name is None:
            first, dot, rest = obj.name.partition(".")
            name = self._found[obj] = _NUMBERS.sub("", self._kinds.get(first, first) + dot + rest)
        return name


_NUMBERS = re.compile(r"-?[0-9]+")


@lru_cache(maxsize=1 << 16)
def _meeting_feature(meeting: int) -> int:
    return (meeting & 3) << FAMILY_BITS | crc32(meeting.to_bytes(9, "little")) & _REST


@lru_cache(maxsize=1 << 16)
def _page_feature(state: PageState) -> int:
    return Family.PAGE << FAMILY_BITS | crc32(bytes(number + 1 for number in state)) & _REST


@lru_cache(maxsize=1 << 16)
def _entry_feature(state: EntryState) -> int:
    # The same numbers say something else of a page.
    return Family.PAGE << FAMILY_BITS | crc32(b"entry" + bytes(state)) & _REST


_REST = (1 << FAMILY_BITS) - 1
