"""Cells and atomics: values, logs, observers, and which accesses commute."""

from __future__ import annotations

import itertools

import pytest
from sim_kit import Order, on_both, run

from daxfuzz.sim import Access, Atomic, Cell, Stepper, World, conflict


def test_lost_update_needs_the_interleaving():
    world = World()
    cell = Cell(world, "cell", 0)

    async def increment() -> None:
        await cell.write(await cell.read() + 1)

    world.spawn("a", increment)
    world.spawn("b", increment)
    world.seal()
    run(world, Order("a a b b"))
    assert cell.value == 2
    run(world, Order("a b a b"))
    assert cell.value == 1


@pytest.mark.parametrize(
    ("start", "op", "result", "after", "access"),
    [
        (3, lambda v: v.read(), 3, 3, Access.READ),
        (3, lambda v: v.set(7), None, 7, Access.WRITE),
        (3, lambda v: v.add(2), None, 5, Access.ADD),
        (3, lambda v: v.add_return(-3), 0, 0, Access.UPDATE),
        (3, lambda v: v.add_unless_zero(2), True, 5, Access.UPDATE),
        (0, lambda v: v.add_unless_zero(2), False, 0, Access.UPDATE),
    ],
)
def test_atomic_operations(start, op, result, after, access):
    world = World()
    atomic = Atomic(world, "atomic", start)
    returned = []
    changes = []

    async def actor() -> None:
        returned.append(await op(atomic))

    world.spawn("a", actor)
    world.seal()
    atomic.watch = lambda old, new: changes.append((old, new))
    done = run(world, Order())
    assert returned == [result]
    assert atomic.value == after
    assert [step.point.access for step in done.steps()] == [access]
    written = access is not Access.READ and result is not False
    assert changes == ([(start, after)] if written else [])


def test_what_is_logged_is_what_is_returned():
    world = World()
    atomic, cell = Atomic(world, "atomic", 5), Cell(world, "cell", "x")

    async def actor() -> None:
        await atomic.read()
        await atomic.add_return(1)
        await atomic.add_unless_zero(1)
        await atomic.add(1)
        await cell.read()
        await cell.exchange("y")
        await cell.write("z")
        await cell.read()

    world.spawn("a", actor)
    done = on_both(world.seal(), Order)
    assert [step.value for step in done.steps()] == [5, 6, 6, None, "x", "x", None, "z"]


def test_watch_of_a_cell_sees_stores_only():
    world = World()
    cell = Cell(world, "cell", 0)
    changes = []

    async def actor() -> None:
        await cell.read()
        await cell.write(1)
        await cell.write(1)
        await cell.exchange(2)
        await cell.exchange(2)

    world.spawn("a", actor)
    world.seal()
    cell.watch = lambda old, new: changes.append((old, new))
    run(world, Order())
    # An exchange that finds what it would store changes nothing.
    assert changes == [(0, 1), (1, 1), (1, 2)]


def test_declared_conflicts_are_the_real_ones():
    """Steps that do not conflict lead to the same state and values in both orders; a conflict is not declared idly."""
    ops = {
        "read": lambda v: v.read(),
        "set": lambda v: v.set(7),
        "add": lambda v: v.add(2),
        "add_return": lambda v: v.add_return(1),
        "add_unless_zero": lambda v: v.add_unless_zero(1),
    }
    for (first, f), (second, g) in itertools.product(ops.items(), repeat=2):
        world = World()
        atomic = Atomic(world, "atomic", 1)
        seen = {}

        def actor(name, op, atomic=atomic, seen=seen):
            async def body() -> None:
                seen[name] = await op(atomic)

            return body

        world.spawn("a", actor("a", f))
        world.spawn("b", actor("b", g))
        world.seal()
        ab = run(world, Order("a b"))
        outcome = (dict(seen), atomic.value)
        points = [step.point for step in ab.steps()]
        run(world, Order("b a"))
        same = outcome == (dict(seen), atomic.value)
        if not conflict(*points):
            assert same, (first, second)
        if (first, second) in [("read", "add"), ("add", "set"), ("add_return", "add_return"), ("read", "set")]:
            assert conflict(*points)
            assert not same


def test_different_objects_never_conflict():
    world = World()
    one, two = Atomic(world, "one"), Atomic(world, "two")

    async def actor() -> None:
        await one.set(1)
        await two.set(1)

    world.spawn("a", actor)
    a, b = (step.point for step in Stepper(world.seal()).run(Order()).steps())
    assert not conflict(a, b)
    assert conflict(a, a)
