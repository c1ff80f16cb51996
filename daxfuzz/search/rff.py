"""Reads-from fuzzing: abstract schedules that say who reads from whom, mutated where they show something new."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.search.pos import POS
from daxfuzz.search.uniform import NOBODY
from daxfuzz.sim import Access, Scheduler

if TYPE_CHECKING:
    from daxfuzz.sim import Point, Shared, Task, World

READING = frozenset((Access.READ, Access.UPDATE, Access.LOCK, Access.SLEEP))
WRITING = frozenset((Access.WRITE, Access.UPDATE, Access.ADD, Access.LOCK, Access.UNLOCK, Access.WAKE))

MOST = 6
"""Constraints of one abstract schedule, at most."""

MOST_ENERGY = 16
"""Executions in a row that mutate one abstract schedule, at most."""


class Constraint(NamedTuple):
    """Some `read` of an object reads from some `write` by another task (positive), or none does (not positive).

    write: None for the state that the execution begins with.
    """

    obj: Shared
    write: Point | None
    read: Point
    positive: bool


AbstractSchedule = tuple[Constraint, ...]


@dataclass(slots=True, eq=False)
class Entry:
    """An abstract schedule of the corpus.

    pairs: what its execution read from what: a bit for each of :attr:`RFF.pairs`.
    chosen: how often it was chosen for mutation.
    """

    schedule: AbstractSchedule
    pairs: int
    chosen: int = 0


Pair = tuple["Shared", "Point | None", "Point"]
"""Which write of an object, None for its first state, which read has read from."""


class Effects(NamedTuple):
    """What a step does to one object."""

    obj: Shared
    reads: bool
    writes: bool


class RFF(Scheduler):
    """Greybox fuzzing of schedules with reads-from feedback. It learns from one execution of a world for the next.

    Wolff, Shi, Duck, Mathur, Roychoudhury, "Greybox Fuzzing for Concurrency Testing" (ASPLOS 2024). An abstract
    schedule is a set of constraints: this read reads from that write, or it does not. Each execution takes one from a
    corpus, mutates it, and tries to satisfy the result: it delays a read until the write it wants has happened, other
    writes from there on until it has read, and a read as long as it would read from a write it must not. Among those
    that are not delayed, and among all if all are, it goes by :class:`POS`. What reads from what in the execution is
    the feedback: with a pair that is new the abstract schedule joins the corpus. An entry is chosen for

        0 executions, if what its own execution read has been seen more often than is usual,
        min(2 ** (times it was chosen before), MOST_ENERGY) executions otherwise

    in a row, the cut-off exponential schedule of AFLFast that the paper takes over. If that leaves nobody, all have 1.

    Mutations: insert a constraint on a pair of a read and a write that were seen, remove one, put another one in the
    place of one, negate one. The corpus begins with the empty abstract schedule, so the first execution is POS.

    Deviations from the paper:

    - An abstract event is a kind of access to an object, whatever task and statement makes it: the paper's has the
      place in the source, which would cost more than the step.
    - Locks and wake-ups are reads and writes, too: an acquisition reads from the release before it.
    - Whatever a step may do counts as done: a compare-and-exchange that fails as a write.
    - What must not read from a write is delayed, but no other write is called for: if none comes, it reads.
    - A constraint can be kept by any instance of its read, and is then done. For the rest of the execution nothing is
      delayed for it.
    - Constraints are drawn by a read first and then a write, so those of an object with many writes are no likelier.

    rng: source of all choices. It may be replaced between executions.
    corpus: what has shown something new, in that order.
    pairs: all that was ever read from what, in the order of the first time.
    schedule: the abstract one of the present execution.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.corpus: list[Entry] = []
        self.schedule: AbstractSchedule = ()
        self._world: World | None = None
        self._forget()

    def _forget(self) -> None:
        self.corpus = []
        self.schedule = ()
        self._effects: list[dict[Point, tuple[Effects, ...]]] = []
        self._all: dict[Point, tuple[Effects, ...]] = {}
        self._met = False
        self._users: dict[Shared, int] = {}
        self._reads: dict[Shared, dict[Point, None]] = {}
        self._writes: dict[Shared, dict[Point, None]] = {}
        self._contended: list[tuple[Shared, Point]] = []
        self.pairs: list[Pair] = []
        self._bits: dict[Pair, int] = {}
        self._frequency: dict[int, int] = {}
        self._executions = 0
        self._at = -1
        self._energy = 0

    # -- between executions ----------------------------------------------------------------------------------------

    def new_execution(self, world: World) -> None:
        if world is self._world:
            self._learn()
            self.schedule = self._mutate(self._choose().schedule)
        else:
            self._forget()
            self._world = world
            self._effects = [{} for _ in world.tasks]
        self._tasks: list[Task] = world.tasks
        self._pos = POS(self.rng)
        self._pos.new_execution(world)
        self._last: dict[Shared, tuple[Point, int]] = {}
        self._read: dict[Pair, None] = {}
        self._unborn = [NOBODY]
        self._watched: dict[Shared, list[Constraint]] = {}
        for constraint in self.schedule:
            self._watched.setdefault(constraint.obj, []).append(constraint)

    def _learn(self) -> None:
        """Take the feedback of the execution that has ended."""
        known = len(self.pairs)
        pairs = 0
        for pair in self._read:
            bit = self._bits.get(pair)
            if bit is None:
                bit = self._bits[pair] = 1 << len(self.pairs)
                self.pairs.append(pair)
            pairs |= bit
        self._executions += 1
        if self._met:
            self._sort_out()
        self._frequency[pairs] = self._frequency.get(pairs, 0) + 1
        if len(self.pairs) > known or not self.corpus:
            self.corpus.append(Entry(self.schedule, pairs))

    def _sort_out(self) -> None:
        """Find what tasks share, and pay no attention to the rest until another task is met there."""
        self._met = False
        users = self._users
        shared = {obj for obj in self._writes if users[obj] & (users[obj] - 1)}
        self._contended = [(obj, read) for obj, reads in self._reads.items() if obj in shared for read in reads]
        kept = {
            point: tuple(effect for effect in effects if effect.obj in shared) for point, effects in self._all.items()
        }
        for of_task in self._effects:
            for point in of_task:
                of_task[point] = kept[point]

    def _choose(self) -> Entry:
        """The entry to mutate next."""
        while self._energy == 0:
            self._at = (self._at + 1) % len(self.corpus)
            self._energy = self._energy_of(self.corpus[self._at])
            if self._energy == 0 and not any(map(self._energy_of, self.corpus)):
                self._energy = 1
        self._energy -= 1
        entry = self.corpus[self._at]
        if self._energy == 0:
            entry.chosen += 1
        return entry

    def _energy_of(self, entry: Entry) -> int:
        if self._frequency[entry.pairs] * len(self._frequency) > self._executions:
            return 0
        return min(1 << min(entry.chosen, 30), MOST_ENERGY)

    def _mutate(self, schedule: AbstractSchedule) -> AbstractSchedule:
        draw = self.rng.randrange
        if not self._contended:
            return schedule
        mutation = draw(4) if schedule else 0
        if mutation == 0 or len(schedule) == 1 == mutation:
            # What would leave nothing but POS, which the first execution was, inserts.
            kept = schedule if len(schedule) < MOST else schedule[1:]
            return (*kept, self._constraint())
        at = draw(len(schedule))
        before, old, after = schedule[:at], schedule[at], schedule[at + 1 :]
        if mutation == 1:
            return (*before, *after)
        if mutation == 2:
            return (*before, self._constraint(), *after)
        return (*before, old._replace(positive=not old.positive), *after)

    def _constraint(self) -> Constraint:
        obj, read = self.rng.choice(self._contended)
        write = self.rng.choice([None, *self._writes[obj]])
        return Constraint(obj, write, read, self.rng.random() < 0.5)

    # -- during one ------------------------------------------------------------------------------------------------

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        candidates = enabled
        if self._watched and len(enabled) > 1:
            candidates = self._undelayed(enabled)
        chosen = self._pos.next_run(candidates, current)[0]
        if self._unborn and self._is_birth(enabled, chosen):
            # That it comes after the step which creates the task is not up to anybody.
            return chosen
        point = self._tasks[chosen].point
        assert point is not None
        effects = self._effects[chosen].get(point)
        if effects is None:
            effects = self._meet(chosen, point)
        lasts = self._last
        for obj, reads, writes in effects:
            last = lasts.get(obj)
            if reads and (last is None or last[1] != chosen):
                source = None if last is None else last[0]
                self._read[obj, source, point] = None
                if obj in self._watched:
                    self._close(Constraint(obj, source, point, True))
            if writes:
                lasts[obj] = (point, chosen)
        return chosen

    def _is_birth(self, enabled: Sequence[int], chosen: int) -> bool:
        """Whether this is the first step of a task that could not run at the first turn."""
        if self._unborn == [NOBODY]:
            self._unborn = [task for task in range(len(self._tasks)) if task not in enabled]
        if chosen not in self._unborn:
            return False
        self._unborn.remove(chosen)
        return True

    def _undelayed(self, enabled: Sequence[int]) -> Sequence[int]:
        """The tasks that no constraint has wait; all, if there are none."""
        watched = self._watched
        delayed: list[int] = []
        for task in enabled:
            point = self._tasks[task].point
            assert point is not None
            if (point.object in watched or point.also) and self._delayed(task, point):
                delayed.append(task)
        if not delayed or len(delayed) == len(enabled):
            return enabled
        return [task for task in enabled if task not in delayed]

    def _delayed(self, task: int, point: Point) -> bool:
        """Whether a constraint has a task wait that is at this point."""
        watched = self._watched
        for obj, _, writes in self._all.get(point) or effects_of(point):
            if obj not in watched:
                continue
            last = self._last.get(obj)
            source = last[0] if last else None
            for constraint in watched[obj]:
                if constraint.read is point:
                    fits = source is constraint.write and (last is None or last[1] != task)
                    if fits is not constraint.positive:
                        return True
                elif constraint.positive and writes and source is constraint.write:
                    return True
        return False

    def _meet(self, task: int, point: Point) -> tuple[Effects, ...]:
        """A task is at a point for the first time; what a step there does."""
        self._met = True
        effects = self._all.get(point)
        if effects is None:
            effects = self._all[point] = effects_of(point)
        self._effects[task][point] = effects
        for obj, reads, writes in effects:
            self._users[obj] = self._users.get(obj, 0) | 1 << task
            if reads:
                self._reads.setdefault(obj, {}).setdefault(point)
            if writes:
                self._writes.setdefault(obj, {}).setdefault(point)
        return effects

    def _close(self, met: Constraint) -> None:
        """A constraint that is met is done."""
        left = [constraint for constraint in self._watched.pop(met.obj) if constraint != met]
        if left:
            self._watched[met.obj] = left


def effects_of(point: Point) -> tuple[Effects, ...]:
    """What a step at this point may do to the objects that it names."""
    first = Effects(point.object, point.access in READING, point.access in WRITING)
    if not point.also:
        return (first,)
    return (first, *(Effects(obj, access in READING, access in WRITING) for obj, access in point.also))
