"""Mutations of schedules: switches are added, moved and dropped, and accesses of two tasks change places."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from daxfuzz.search.rff import WRITING
from daxfuzz.sim import Execution, Point, Shared, SparseSchedule

MOST_SWITCHES = 256
"""Those of strategies are that many in some hundred turns."""

Switch = tuple[int, int]


def edited(rng: Random, schedule: SparseSchedule, execution: Execution, tasks: int) -> SparseSchedule:
    """Another schedule of a program with so many tasks, from one and its execution."""
    if tasks == 1 or not execution.turns:
        return SparseSchedule()
    switches = list(schedule.switches)
    choice = rng.random()
    if choice < FLIPS:
        return flipped(rng, schedule, execution) or ascending([*switches, added(rng, execution, tasks)])
    if choice < FLIPS + DRAWS:
        return drawn(rng, execution, tasks)
    if not switches or (choice < FLIPS + DRAWS + ADDS and len(switches) < MOST_SWITCHES):
        return ascending([*switches, added(rng, execution, tasks)])
    at = rng.randrange(len(switches))
    if choice < FLIPS + DRAWS + ADDS + DROPS:
        del switches[at : at + 1 + (rng.random() < 0.2)]
    else:
        switches[at] = moved(rng, switches[at], tasks)
    return ascending(switches)


FLIPS = 0.35
DRAWS = 0.15
ADDS = 0.25
DROPS = 0.1
"""How often each is done; the rest are moves."""


def crossed(rng: Random, one: SparseSchedule, other: SparseSchedule, tasks: int) -> SparseSchedule:
    """The beginning of one schedule and the end of another."""
    turn = rng.choice([turn for turn, _ in (*one.switches, *other.switches)] or [0])
    before = [switch for switch in one.switches if switch[0] < turn]
    return ascending([*before, *((at, task % tasks) for at, task in other.switches if at >= turn)])


def ascending(switches: Iterable[Switch]) -> SparseSchedule:
    """A schedule of these switches, the last one where two are at the same turn."""
    return SparseSchedule(tuple(sorted(dict(switches).items()))[:MOST_SWITCHES])


def added(rng: Random, execution: Execution, tasks: int) -> Switch:
    """A switch at a turn, to another task than takes it."""
    turn = rng.randrange(len(execution.turns))
    return turn, (execution.turns[turn] + rng.randrange(1, tasks)) % tasks


def moved(rng: Random, switch: Switch, tasks: int) -> Switch:
    """A switch some turns earlier or later, or to another task."""
    turn, task = switch
    if rng.random() < 0.2:
        return turn, rng.randrange(tasks)
    return max(turn + rng.choice((-1, 1)) * (1 << rng.randrange(5)), 0), task


def drawn(rng: Random, execution: Execution, tasks: int) -> SparseSchedule:
    """A schedule of a few switches that owes nothing to another one; most bugs need few."""
    number = rng.choice((1, 1, 2, 2, 3, 4, 6))
    return ascending((rng.randrange(len(execution.turns)), rng.randrange(tasks)) for _ in range(number))


def flipped(rng: Random, schedule: SparseSchedule, execution: Execution) -> SparseSchedule | None:
    """A schedule in which two accesses to one object by different tasks come the other way round, as far as the later
    one's task gets there: what it reads is another write then, or it writes what the other one reads.

    None if no task meets another one.
    """
    meetings = meetings_of(execution)
    if not meetings:
        return None
    # By objects first, so that those with many accesses are no likelier.
    earlier, later = rng.choice(meetings[rng.choice(list(meetings))])
    first, second = execution.turns[earlier], execution.turns[later]
    run = sum(task == second for task in execution.turns[earlier : later + 1])
    before = [switch for switch in schedule.switches if switch[0] < earlier]
    after = [switch for switch in schedule.switches if switch[0] > later]
    return ascending([*before, (earlier, second), (earlier + run, first), *after])


def meetings_of(execution: Execution) -> dict[Shared, list[tuple[int, int]]]:
    """Turns of different tasks that access the same object one after the other, not both only reading, by object."""
    found: dict[Shared, list[tuple[int, int]]] = {}
    last: dict[Shared, tuple[int, int, bool]] = {}
    points = [item for item in execution.log if type(item) is Point]
    for turn, (task, point) in enumerate(zip(execution.turns, points, strict=False)):
        for obj, access in ((point.object, point.access), *point.also):
            writes = access in WRITING
            before = last.get(obj)
            if before is not None and before[1] != task and (writes or before[2]):
                found.setdefault(obj, []).append((before[0], turn))
            last[obj] = (turn, task, writes)
    return found
