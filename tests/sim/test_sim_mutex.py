"""Mutexes and spinlocks."""

from __future__ import annotations

import pytest
from sim_kit import Order, RandomWalk, lines, on_both, run

from daxfuzz.sim import Cell, Interrupts, Mutex, SpinLock, Stepper, World


def holder(lock, log=None, name=""):
    async def body() -> None:
        await lock.acquire()
        if log is not None:
            log.append(name)
        await lock.release()

    return body


def test_a_waiter_is_disabled_while_somebody_holds_the_lock():
    world = World()
    lock = Mutex(world, "lock")
    for name in "abc":
        world.spawn(name, holder(lock))
    world.seal()
    with pytest.raises(AssertionError, match="b cannot run"):
        run(world, Order("a b"))
    # A release lets all compete, also the one that came last.
    run(world, Order("a a c c b b"))


def test_arrival_at_a_held_lock_blocks_and_a_newcomer_may_steal():
    world = World()
    lock, cell = Mutex(world, "lock"), Cell(world, "cell", 0)
    got = []

    def late(name):
        async def body() -> None:
            await cell.read()
            await holder(lock, got, name)()

        return body

    world.spawn("a", holder(lock, got, "a"))
    world.spawn("b", late("b"))
    world.spawn("c", late("c"))
    world.seal()
    run(world, Order("a b a c c c b b"))
    assert got == ["a", "c", "b"]


def test_critical_sections_do_not_overlap():
    world = World()
    lock, cell = Mutex(world, "lock"), Cell(world, "cell", 0)

    async def increment() -> None:
        await lock.acquire()
        await cell.write(await cell.read() + 1)
        await lock.release()

    for name in "abc":
        world.spawn(name, increment)
    world.seal()
    for seed in range(50):
        run(world, RandomWalk(seed))
        assert cell.value == 3


@pytest.mark.parametrize("kind", [Mutex, SpinLock])
def test_self_deadlock_is_reported_at_the_acquisition(kind):
    world = World()
    lock = kind(world, "lock", "the_class")

    async def twice() -> None:
        await lock.acquire()
        await lock.acquire()

    world.spawn("a", twice)
    world.spawn("b", holder(lock))
    done = on_both(world.seal(), Order)
    assert done.violation is not None
    assert (done.violation.kind, done.violation.channel, done.violation.tasks) == ("self-deadlock", "the_class", ("a",))
    assert lines(done) == ["0 lock.lock None", "0 lock.lock None"]


def test_abba_is_a_hang_with_owners():
    world = World()
    one, two = Mutex(world, "one"), Mutex(world, "two")

    def both(first, second):
        async def body() -> None:
            await first.acquire()
            await second.acquire()
            await second.release()
            await first.release()

        return body

    a = world.spawn("a", both(one, two))
    b = world.spawn("b", both(two, one))
    edges = []
    world.on_end.append(lambda: edges.extend((t.index, t.blocked_on.owners()) for t in (a, b) if t.blocked_on))
    world.seal()
    done = on_both(world, lambda: Order("a b"))
    assert done.stuck == (0, 1)
    assert edges[:2] == [(0, (1,)), (1, (0,))]
    edges.clear()
    assert run(world, Order("a a")).stuck == ()
    assert edges == []


def test_release_of_a_lock_not_held_is_an_error_on_both_hosts():
    world = World()
    lock = Mutex(world, "lock")
    world.spawn("a", lock.release)
    world.seal()
    with pytest.raises(RuntimeError, match="which it does not hold"):
        on_both(world, Order)


def test_held_is_in_order_of_acquisition_and_who_observes_releases_sees_it():
    world = World()
    one, two = Mutex(world, "one"), SpinLock(world, "two")
    seen = []
    for lock in (one, two):
        lock.on_release = lambda lock, task: seen.append(("-", lock.name, [held.name for held in task.held]))

    async def body() -> None:
        for lock in (one, two):
            await lock.acquire()
            seen.append(("+", lock.name, [held.name for held in world.tasks[0].held]))
        await one.release()
        await two.release()

    world.spawn("a", body)
    run(world.seal(), Order())
    assert seen == [("+", "one", ["one"]), ("+", "two", ["one", "two"]), ("-", "one", ["two"]), ("-", "two", [])]


def test_an_irq_spinlock_turns_interrupts_off_while_held():
    world = World()
    interrupts = Interrupts(world)
    irq, plain = SpinLock(world, "irq", interrupts=interrupts), SpinLock(world, "plain")
    depths = []

    async def body() -> None:
        me = world.current
        for lock in (plain, irq):
            await lock.acquire()
            depths.append(me.irq_depth)
            await lock.release()
            depths.append(me.irq_depth)
        await interrupts.local_irq_save()
        await irq.acquire()
        depths.append(me.irq_depth)
        await irq.release()
        depths.append(me.irq_depth)
        await interrupts.local_irq_restore()
        depths.append(me.irq_depth)

    world.spawn("a", body)
    run(world.seal(), Order())
    assert depths == [0, 0, 1, 0, 2, 1, 0]


def test_state_names_the_owner():
    world = World()
    lock = Mutex(world, "lock")
    states = []

    async def body() -> None:
        await lock.acquire()
        states.append(lock.state())
        await lock.release()
        states.append(lock.state())

    world.spawn("a", body)
    world.spawn("b", body)
    Stepper(world.seal()).run(Order("b b a a"))
    assert states == [1, -1, 0, -1]
