"""Which steps conflict: what rides on a step counts, too."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from sim_kit import Op, RandomProgram, RandomWalk

from daxfuzz.search import Replay
from daxfuzz.sim import (
    Cell,
    Completion,
    Execution,
    Interrupts,
    PercpuRef,
    Shared,
    Signal,
    Signals,
    SpinLock,
    Stepper,
    TrioHost,
    UndeclaredAccess,
    World,
    check_accesses,
    conflict,
)
from daxfuzz.sim.point import Access


class Declared(RandomProgram):
    """Random programs that send signals by steps of their own."""

    def __init__(self, seed: int) -> None:
        self.signals: Signals | None = None
        super().__init__(seed)

    def signal(self, tasks: int, depth: int) -> Op:
        if self.signals is None:
            self.signals = Signals(self.world)
        signals = self.signals
        victim, signal = self.random.randrange(tasks), self.random.choice([Signal.PENDING, Signal.FATAL])
        return lambda: signals.send(self.world.tasks[victim], signal)


def snapshot(world: World, execution: Execution) -> Any:
    """All that a program can tell of the state it is in: objects, tasks, and what their accesses returned."""
    tasks = [
        (
            repr(task.point),
            task.runnable,
            task.asleep,
            task.state,
            task.signal,
            task.irq_depth,
            task.atomic,
            task.killable,
            [lock.name for lock in task.held],
            [repr(step.value) for step in execution.steps() if step.task == task.index],
        )
        for task in world.tasks
    ]
    return world.shared_state(), tasks


def after(world: World, turns: list[int]) -> tuple[Any, Execution]:
    execution = Stepper(world).run(Replay(turns), limit=len(turns))
    return snapshot(world, execution), execution


def test_steps_that_do_not_conflict_may_be_swapped() -> None:
    swapped = conflicting = different = 0
    for seed in range(200):
        world = Declared(seed).world
        turns = Stepper(world).run(RandomWalk(seed), limit=60).turns
        for length in random.Random(seed).sample(range(len(turns)), min(6, len(turns))):
            _, before = after(world, turns[:length])
            if before.violation is not None or length == 0:
                continue
            points = {index: world.tasks[index].point for index in world.enabled}
            for a, b in itertools.combinations(points, 2):
                ab, one = after(world, [*turns[:length], a, b])
                ba, two = after(world, [*turns[:length], b, a])
                fine = len(one.turns) == len(two.turns) == length + 2 and not one.violation and not two.violation
                same = ab == ba if fine else bool(one.violation) == bool(two.violation)
                same = same and one.turns[length:] == [a, b][: len(one.turns) - length]
                same = same and two.turns[length:] == [b, a][: len(two.turns) - length]
                if conflict(points[a], points[b]):
                    conflicting += 1
                    different += not same
                else:
                    swapped += 1
                    assert same, (seed, length, points[a], points[b])
    # Without steps of each sort this would say nothing.
    assert swapped > 300
    assert conflicting > 100
    assert different > 50


def test_what_turns_interrupts_off_or_on_conflicts_with_sending_but_not_with_its_like() -> None:
    world = World()
    interrupts = Interrupts(world)
    one, two = SpinLock(world, "one", interrupts=interrupts), SpinLock(world, "two", interrupts=interrupts)
    plain = SpinLock(world, "plain")
    locks = [one._acquire, one._release]
    others = [two._acquire, two._release]
    for mine, other in itertools.product(locks, others):
        assert not conflict(mine, other)
    for mine in locks:
        assert conflict(mine, interrupts._send)
        assert conflict(interrupts._send, mine)
        assert conflict(mine, interrupts._wait)
        assert not conflict(mine, interrupts._off)
        assert not conflict(mine, plain._acquire)
    assert not conflict(plain._acquire, interrupts._wait)


def test_a_put_that_may_drain_conflicts_with_the_completion() -> None:
    world = World()
    done, other = Completion(world, "done"), Completion(world, "other")
    ref = PercpuRef(world, "ref", done.complete)
    for point in (ref._put, ref._kill):
        assert conflict(point, done._sleep)
        assert not conflict(point, other._sleep)
    assert not conflict(ref._get, done._sleep)


def test_a_put_whose_release_nobody_knows_conflicts_with_everything() -> None:
    world = World()
    cell = Cell(world, "cell", 0)
    ref = PercpuRef(world, "ref", lambda: None)
    assert conflict(ref._put, cell._read)
    assert not conflict(ref._get, cell._read)


def test_a_signal_conflicts_with_everything() -> None:
    world = World()
    assert conflict(Signals(world)._send, Cell(world, "cell", 0)._read)


class Buffer(Shared):
    """One processor's, which its task touches in whatever step it is in."""

    PASSENGER = True

    def state(self) -> int:
        return 0


def test_a_step_of_a_passenger_is_wide() -> None:
    world = World()
    cell = Cell(world, "cell", 0)
    assert conflict(Buffer(world, "buffer").point(Access.WRITE, "flush"), cell._read)


def two_steps(first: Any, second: Any) -> Any:
    async def run() -> None:
        await first()
        second()

    return run


@pytest.mark.parametrize("host", [Stepper, TrioHost])
def test_the_checking_mode_wants_a_completion_to_be_declared(host: Any) -> None:
    world = World()
    cell, done = Cell(world, "cell", 0), Completion(world, "done")
    world.spawn("a", two_steps(cell.read, done.complete))
    check_accesses(world.seal())
    with pytest.raises(UndeclaredAccess, match=r"complete touches done, but cell\.read is declared"):
        host(world).run(Replay([0]))


@pytest.mark.parametrize("host", [Stepper, TrioHost])
def test_the_checking_mode_wants_what_frees_to_be_wide(host: Any) -> None:
    world = World()
    cell, signals = Cell(world, "cell", 0), Signals(world)
    world.spawn("a", two_steps(cell.read, lambda: world.free(cell)))
    check_accesses(world.seal())
    with pytest.raises(UndeclaredAccess, match=r"cell is freed, but cell\.read is declared, which is not wide"):
        host(world).run(Replay([0]))
    world.tasks.clear()
    task = world.spawn("a", two_steps(lambda: signals.send(task, Signal.PENDING), lambda: world.free(cell)))
    assert host(world).run(Replay([0])).violation is None
    assert [obj for obj, _ in world.freed] == [cell]
