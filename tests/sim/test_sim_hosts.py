"""The two hosts: conventions, limits, suffixes, failures."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time

import pytest
import trio
from sim_kit import Order, RandomWalk, RoundRobin, lines, on_both

from daxfuzz.sim import Atomic, Cell, Mutex, Scheduler, Stepper, TrioHost, Violation, WaitQueueHead, World

HOSTS = pytest.mark.parametrize("host", [Stepper, TrioHost])


def counting(n=3, tasks=2):
    """Tasks that add n times each."""
    world = World()
    atomic = Atomic(world, "atomic")

    async def body() -> None:
        for _ in range(n):
            await atomic.add(1)

    for name in "abcdefgh"[:tasks]:
        world.spawn(name, body)
    return world.seal(), atomic


def spinning():
    world = World()
    atomic = Atomic(world, "atomic")

    async def body() -> None:
        while True:
            await atomic.add(1)

    world.spawn("a", body)
    world.spawn("b", body)
    return world.seal()


@HOSTS
def test_every_task_is_at_its_first_point_before_any_choice(host):
    world, _ = counting(tasks=8)
    shown = []

    class Look(Scheduler):
        def next_task(self, enabled, current):
            shown.append((current, [task.point.verb for task in world.tasks if task.point], list(enabled)))
            return enabled[0]

    for _ in range(20):
        shown.clear()
        host(world).run(Look())
        assert shown[0] == (-1, ["add"] * 8, list(range(8)))
        assert shown[1][0] == 0


@HOSTS
def test_the_end_of_a_task_consumes_no_choice(host):
    world, atomic = counting(n=3, tasks=2)
    asked = []

    class Count(RoundRobin):
        def next_task(self, enabled, current):
            asked.append(list(enabled))
            return super().next_task(enabled, current)

    done = host(world).run(Count())
    assert len(asked) == len(done.turns) == 6
    assert asked[-1] == [1], "task 0 has ended within its third turn"
    assert atomic.value == 6
    assert world.ended == [0, 1]


def test_the_random_order_of_starts_under_trio_does_not_show():
    world = World()
    locks = [Mutex(world, "one"), Mutex(world, "two")]
    orders = set()
    started = []

    def body(i):
        async def run() -> None:
            started.append(i)
            for lock in locks if i % 2 else reversed(locks):
                await lock.acquire()
                await lock.release()

        return run

    for i in range(6):
        world.spawn(f"t{i}", body(i))
    world.seal()
    expected = Stepper(world).run(RandomWalk(1)).digest()
    for _ in range(100):
        started.clear()
        assert TrioHost(world).run(RandomWalk(1)).digest() == expected
        orders.add(tuple(started))
    assert len(orders) > 1, "Trio does start tasks in random order"


@HOSTS
def test_worlds_of_no_and_of_one_task(host):
    empty = World().seal()
    done = host(empty).run(RandomWalk(0))
    assert (done.turns, done.log, done.stuck, done.exhausted) == ([], [], (), False)
    world, atomic = counting(n=4, tasks=1)
    assert host(world).run(RandomWalk(0)).turns == [0] * 4
    assert atomic.value == 4


@HOSTS
def test_tasks_without_any_access(host):
    world = World()
    atomic = Atomic(world, "atomic")

    async def nothing() -> None:
        pass

    world.spawn("a", nothing)
    world.spawn("b", lambda: atomic.add(1))
    world.spawn("c", nothing)
    world.seal()
    for _ in range(20):
        done = host(world).run(RandomWalk(0))
        assert done.turns == [1]
        assert sorted(world.ended[:2]) == [0, 2]
    idle = World()
    idle.spawn("a", nothing)
    done = host(idle.seal()).run(RandomWalk(0))
    assert (done.turns, done.stuck) == ([], ())


@HOSTS
def test_a_world_is_sealed_before_it_runs(host):
    with pytest.raises(RuntimeError, match="sealed"):
        host(World()).run(Scheduler())


def test_objects_are_created_before_the_seal():
    with pytest.raises(RuntimeError, match="late"):
        Cell(World().seal(), "late", 0)


@HOSTS
def test_limit(host):
    world, _ = counting(n=3, tasks=2)
    for limit in range(6):
        done = host(world).run(RoundRobin(), limit=limit)
        assert len(done.turns) == limit
        assert done.exhausted
        assert done.stuck == ()
    done = host(world).run(RoundRobin(), limit=6)
    assert (len(done.turns), done.exhausted, done.stuck) == (6, False, ())


@HOSTS
def test_a_suffix_takes_over_at_the_limit(host):
    world = spinning()
    done = host(world).run(Scheduler(), limit=5, suffix=RoundRobin())
    assert done.turns == [0] * 5 + [1, 0, 1, 0, 1]
    assert done.exhausted
    # One that is not needed is not asked.
    world, _ = counting()
    assert host(world).run(Scheduler(), limit=6, suffix=Order("nobody")).turns == [0, 0, 0, 1, 1, 1]
    assert host(world).run(Scheduler(), limit=5, suffix=RoundRobin()).turns == [0, 0, 0, 1, 1, 1]


@HOSTS
def test_a_suffix_after_a_limit_of_zero_starts_nothing_twice(host):
    world, atomic = counting()
    done = host(world).run(Scheduler(), limit=0, suffix=RoundRobin())
    assert (done.turns, done.exhausted) == ([], True)
    assert atomic.value == 0


@HOSTS
def test_a_script_is_taken_until_it_names_a_task_that_cannot_run(host):
    class Scripted(Scheduler):
        asked = 0

        def __init__(self, script):
            self.turns = script

        def script(self):
            return self.turns

        def next_task(self, enabled, current):
            self.asked += 1
            return enabled[-1]

    world, _ = counting(n=3, tasks=2)
    scheduler = Scripted([0, 0, 0, 0, 0, 0])
    assert host(world).run(scheduler).turns == [0, 0, 0, 1, 1, 1]
    assert scheduler.asked == 3
    scheduler = Scripted([0, 1, 1])
    assert host(world).run(scheduler).turns == [0, 1, 1, 1, 0, 0]
    assert host(world).run(Scripted([1] * 3), limit=2).turns == [1, 1]
    # In a suffix, too, only the turns that are left.
    assert host(spinning()).run(Scheduler(), limit=4, suffix=Scripted([1] * 99)).turns == [0] * 4 + [1] * 4


def test_violation_in_a_task():
    world, atomic = counting(n=2, tasks=2)

    async def bad() -> None:
        await atomic.read()
        raise Violation("deadlock", "just so", channel="here", tasks=("c",))

    world.spawn("c", bad)
    world.seal()
    done = on_both(world, lambda: Order("a c"))
    assert done.violation is not None
    assert done.violation.kind == "deadlock"
    assert lines(done) == ["0 atomic.add None", "2 atomic.read 1"]
    assert (done.stuck, done.exhausted) == ((), False)


def test_violation_of_an_observer_belongs_to_the_step():
    world, atomic = counting(n=2, tasks=2)

    def watch(old, new):
        if new == 3:
            raise Violation("leak", "three")

    atomic.watch = watch
    done = on_both(world, lambda: Order("a b b a"))
    assert str(done.violation) == "leak: three"
    assert done.turns == [0, 1, 1]


def test_violation_at_the_end_and_deferred_ones():
    world, atomic = counting(n=1, tasks=2)

    def at_end():
        if not world.enabled:
            raise Violation("leak", f"{atomic.value} left")

    atomic.watch = lambda old, new: world.defer(Violation("kernel-warning", f"{new}"))
    world.on_end.append(at_end)
    done = on_both(world, Scheduler)
    assert done.violation is not None
    assert done.violation.kind == "leak"
    assert [str(found) for found in done.deferred] == ["kernel-warning: 1", "kernel-warning: 2"]
    cut = on_both(world, Scheduler, limit=1)
    assert (cut.violation, cut.exhausted, len(cut.deferred)) == (None, True, 1)


@HOSTS
@pytest.mark.parametrize("where", ["start", "step", "scheduler", "new_execution", "end", "reset"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_other_exceptions_come_out_as_they_are(host, where, error):
    """No group around them, no coroutine that was never awaited, and the world can run again."""
    world, atomic = counting(n=2, tasks=3)
    broken = [where]

    def check(here):
        if broken == [here]:
            raise error("boom")

    async def body() -> None:
        check("start")
        await atomic.add(1)
        check("step")

    class Bad(RoundRobin):
        def new_execution(self, world):
            check("new_execution")

        def next_task(self, enabled, current):
            if current == 1:
                check("scheduler")
            return super().next_task(enabled, current)

    world.spawn("z", body)
    world.on_end.append(lambda: check("end"))
    world.on_reset.append(lambda: check("reset"))
    world.seal()
    with pytest.raises(error, match="boom"):
        host(world).run(Bad())
    broken.clear()
    assert len(host(world).run(Bad()).turns) == 7
    gc.collect()


@HOSTS
def test_failures_before_the_first_point_do_not_depend_on_the_order_of_starts(host):
    world = World()

    def body(i):
        async def run() -> None:
            raise ValueError(f"boom {i}")

        return run

    for i in range(4):
        world.spawn(f"t{i}", body(i))
    world.seal()
    for _ in range(30):
        with pytest.raises(ValueError, match="boom 0"):
            host(world).run(Scheduler())


@HOSTS
def test_no_coroutine_is_left_unawaited(host, recwarn):
    """The first task fails at its start, so the others never start on the stepper."""
    world, _ = counting(tasks=4)
    fresh = World()
    atomic = Atomic(fresh, "atomic")

    async def bad() -> None:
        raise ValueError

    async def good() -> None:
        await atomic.add(1)

    for actor in (bad, good, good):
        fresh.spawn("t", actor)
    unraisable = []
    old, sys.unraisablehook = sys.unraisablehook, unraisable.append
    try:
        with pytest.raises(ValueError):  # noqa: PT011
            host(fresh.seal()).run(Scheduler())
        host(world).run(Scheduler(), limit=2)
        for task in fresh.tasks + world.tasks:
            task.coroutine = None
            task.send = None
        gc.collect()
    finally:
        sys.unraisablehook = old
    assert unraisable == []
    assert list(recwarn) == []


@HOSTS
@pytest.mark.parametrize("delay", [0.02, 0.05])
def test_ctrl_c_ends_an_endless_run(host, delay):
    world = spinning()

    def interrupt():
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        host(world).run(RandomWalk(0), limit=10**9)
    thread.join()
    assert len(host(world).run(RandomWalk(0), limit=10).turns) == 10


def test_actors_are_trio_tasks():
    world, atomic = counting(n=1, tasks=2)
    names = []
    atomic.watch = lambda old, new: names.append(trio.lowlevel.current_task().name)
    TrioHost(world).run(Order("b a"))
    assert names == ["b", "a"]


@HOSTS
def test_stuck_names_the_tasks_that_were_blocked(host):
    world = World()
    queue = WaitQueueHead(world, "queue")
    lock = Mutex(world, "lock")

    async def holder() -> None:
        await lock.acquire()
        me = world.current
        me.state = type(me.state).UNINTERRUPTIBLE
        await queue.schedule()

    async def other() -> None:
        await lock.acquire()

    async def ends() -> None:
        await queue.active()

    for name, actor in (("h", holder), ("o", other), ("e", ends)):
        world.spawn(name, actor)
    blocked = []
    world.on_end.append(lambda: blocked.extend(task.blocked_on.name for task in world.tasks if task.blocked_on))
    done = host(world.seal()).run(Order("h e"))
    assert done.stuck == (0, 1)
    assert blocked == ["queue", "lock"]
    assert "queue.schedule" not in [repr(step.point) for step in done.steps()]


@HOSTS
def test_a_task_takes_the_turns_it_is_known_to_have_without_parking(host):
    world = World()
    lock = Mutex(world, "lock")
    atomic = Atomic(world, "atomic")
    ahead = []

    async def first() -> None:
        await lock.acquire()
        for _ in range(4):
            await atomic.add(1)
            ahead.append(world.ahead)
        # The waiter can go on from here, so the run is over.
        await lock.release()
        await atomic.add(1)
        ahead.append(world.ahead)

    async def second() -> None:
        await lock.acquire()

    world.spawn("first", first)
    world.spawn("second", second)
    world.seal()

    class Runs(Scheduler):
        def next_task(self, enabled, current):
            return self.next_run(enabled, current)[0]

        def next_run(self, enabled, current):
            asked.append((list(enabled), current, len(world.turns)))
            return enabled[0], 100

    asked: list[tuple[list[int], int, int]] = []
    execution = host(world).run(Runs())
    assert execution.turns == [0] * 7 + [1]
    # Taking the lock blocks the other task, releasing it lets that one go on, and so does the end of the first.
    if host is Stepper:
        assert ahead == [99, 98, 97, 96, 99]
        assert asked == [([0, 1], -1, 0), ([0], 0, 1), ([0, 1], 0, 6), ([1], 0, 7)]
    else:
        assert ahead == [0] * 5
        assert len(asked) == 8
    assert lines(execution) == lines(TrioHost(world).run(Runs()))
