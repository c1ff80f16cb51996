"""Read-side sections and grace periods."""

from __future__ import annotations

import pytest
from sim_kit import Order, on_both, run

from daxfuzz.sim import Rcu, World


def setting(**depths: int):
    """Readers with nested sections, and a synchronizer `s`."""
    world = World()
    rcu = Rcu(world, "rcu")

    def reader(depth):
        async def body() -> None:
            for _ in range(depth):
                await rcu.read_lock()
            for _ in range(depth):
                await rcu.read_unlock()

        return body

    for name, depth in depths.items():
        world.spawn(name, reader(depth))
    world.spawn("s", rcu.synchronize)
    return world.seal(), rcu


def test_synchronize_with_nobody_inside_does_not_wait():
    world, _ = setting(a=1)
    assert run(world, Order("s s a a")).stuck == ()


def test_synchronize_waits_for_open_sections():
    world, _ = setting(a=1, b=1)
    with pytest.raises(AssertionError, match="s cannot run"):
        run(world, Order("a b s a s"))
    assert on_both(world, lambda: Order("a b s a b s")).stuck == ()


def test_synchronize_does_not_wait_for_later_sections():
    world, _ = setting(a=1, b=1)
    run(world, Order("a s b a s b"))


def test_a_reader_that_comes_back_is_a_later_section():
    world = World()
    rcu = Rcu(world, "rcu")

    async def reader() -> None:
        for _ in range(2):
            await rcu.read_lock()
            await rcu.read_unlock()

    world.spawn("a", reader)
    world.spawn("s", rcu.synchronize)
    run(world.seal(), Order("a s a a s a"))


def test_sections_nest():
    world, _ = setting(a=2)
    with pytest.raises(AssertionError, match="s cannot run"):
        run(world, Order("a a s a s"))
    run(world, Order("a a s a a s"))


def test_two_grace_periods_at_once():
    world, rcu = setting(a=1, b=1)
    world.spawn("t", rcu.synchronize)
    world.seal()
    # s waits for a only, t for both.
    run(world, Order("a s b t a s b t"))
    with pytest.raises(AssertionError, match="t cannot run"):
        run(world, Order("a s b t a t"))


def test_synchronize_inside_a_section_hangs():
    world = World()
    rcu = Rcu(world, "rcu")

    async def body() -> None:
        await rcu.read_lock()
        await rcu.synchronize()

    world.spawn("a", body)
    assert on_both(world.seal(), Order).stuck == (0,)


def test_domains_are_independent():
    world = World()
    one, two = Rcu(world, "one"), Rcu(world, "two")

    async def reader() -> None:
        await one.read_lock()
        await one.read_unlock()

    world.spawn("a", reader)
    world.spawn("s", two.synchronize)
    run(world.seal(), Order("a s s a"))


def test_owners_are_the_readers_waited_for():
    world, rcu = setting(a=1, b=1)
    run(world, Order("a s b"), limit=3)
    assert rcu.owners() == (0,)


def test_state():
    world, rcu = setting(a=2, b=1)
    states = set()
    orders = ("a", "a a", "b", "a b", "a s", "s a", "a s a", "a b s")
    for turns in orders:
        run(world, Order(turns), limit=len(turns.split()))
        states.add(rcu.state())
    assert len(states) == len(orders)
    run(world, Order("a b s"), limit=3)
    one = rcu.state()
    run(world, Order("b a s"), limit=3)
    assert rcu.state() == one, "who came first makes no difference"
    world.reset()
    assert rcu.state() == ((), ())
    world.close()
