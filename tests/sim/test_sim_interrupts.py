"""Interrupt-off sections and inter-processor interrupts."""

from __future__ import annotations

import pytest
from sim_kit import Order, on_both, run

from daxfuzz.sim import Cell, Interrupts, SpinLock, World


class Setting:
    def __init__(self, *sections: str) -> None:
        """Tasks a, b, .. with a section each, and `s`, who calls a function on all."""
        self.world = World()
        self.interrupts = Interrupts(self.world)
        self.lock = SpinLock(self.world, "lock", interrupts=self.interrupts)
        self.cell = Cell(self.world, "cell", 0)
        self.served: list[int] = []
        for name, section in zip("abc", sections, strict=False):
            self.world.spawn(name, getattr(self, section))
        self.world.spawn("s", self.sender)
        self.everybody = range(len(self.world.tasks))
        self.world.seal()

    async def sender(self) -> None:
        await self.interrupts.call_function(self.everybody, self.served.append)

    async def off(self) -> None:
        await self.interrupts.local_irq_save()
        await self.interrupts.local_irq_restore()

    async def nested(self) -> None:
        await self.interrupts.local_irq_save()
        await self.lock.acquire()
        await self.lock.release()
        await self.interrupts.local_irq_restore()

    async def locked(self) -> None:
        await self.lock.acquire()
        await self.lock.release()

    async def on(self) -> None:
        await self.cell.read()

    def run(self, turns, **options):
        self.served.clear()
        return run(self.world, Order(turns), **options)


def test_everybody_with_interrupts_on_is_served_at_once():
    s = Setting("on", "off")
    s.run("s", limit=1)
    assert s.served == [0, 1, 2]
    assert s.run("s s a b b").stuck == ()
    assert s.served == [0, 1, 2]


def test_the_sender_waits_for_interrupts_off_and_the_function_runs_at_the_restore():
    s = Setting("off", "on")
    with pytest.raises(AssertionError, match="s cannot run"):
        s.run("a s s")
    assert s.served == [1, 2]
    with pytest.raises(AssertionError, match="s cannot run"):
        s.run("a s b s")
    s.run("a s a", limit=3)
    assert s.served == [1, 2, 0]
    assert s.run("a s b a s").stuck == ()


def test_interrupts_off_do_not_hold_up_anything_else():
    s = Setting("off", "on")
    assert s.run("a b a s s").stuck == ()


def test_an_irq_spinlock_counts():
    s = Setting("locked")
    with pytest.raises(AssertionError, match="s cannot run"):
        s.run("a s s")
    assert s.run("a s a s").stuck == ()
    assert s.served == [1, 0]


def test_only_the_outermost_restore_serves():
    s = Setting("nested")
    for turns in ("a s s", "a a s a s"):
        with pytest.raises(AssertionError, match="s cannot run"):
            s.run(turns)
        assert s.served == [1]
    assert s.run("a a s a a s").stuck == ()
    assert s.served == [1, 0]


def test_the_last_answer_lets_the_sender_go_on():
    s = Setting("off", "locked")
    with pytest.raises(AssertionError, match="s cannot run"):
        s.run("a b s a s")
    assert s.run("a b s b a s").stuck == ()
    assert s.served == [2, 1, 0]


def test_two_senders_to_one_target():
    world = World()
    interrupts = Interrupts(world)
    served = []

    async def off() -> None:
        await interrupts.local_irq_save()
        await interrupts.local_irq_restore()

    async def send() -> None:
        me = world.current.index
        await interrupts.call_function([0], lambda target: served.append((me, target)))

    world.spawn("a", off)
    world.spawn("s", send)
    world.spawn("t", send)
    world.seal()
    assert on_both(world, lambda: Order("a t s a s t")).stuck == ()
    assert served == [(2, 0), (1, 0)] * 2


def test_two_senders_with_interrupts_off_hang():
    world = World()
    interrupts = Interrupts(world)

    async def body() -> None:
        await interrupts.local_irq_save()
        await interrupts.call_function([0, 1], lambda target: None)
        await interrupts.local_irq_restore()

    world.spawn("a", body)
    world.spawn("b", body)
    seen = []
    world.on_end.append(lambda: seen.append(interrupts.owners()))
    done = on_both(world.seal(), lambda: Order("a b a b"))
    assert done.stuck == (0, 1)
    assert [sorted(owners) for owners in seen] == [[0, 1]] * 2
    # One alone is served by itself, and the other one only afterwards.
    assert run(world, Order("a a a a b b b b")).stuck == ()


def test_an_ended_task_is_served_at_once():
    s = Setting("off")
    assert s.run("a a s s").stuck == ()
    assert s.served == [0, 1]


def test_restore_with_interrupts_on_is_an_error():
    world = World()
    interrupts = Interrupts(world)
    world.spawn("a", interrupts.local_irq_restore)
    with pytest.raises(RuntimeError, match="which are on already"):
        run(world.seal(), Order())


def test_state():
    s = Setting("off", "nested")
    states = set()
    orders = ("a", "b", "a b", "a s", "b s", "a b s", "b b", "a a")
    for turns in orders:
        s.run(turns, limit=len(turns.split()))
        states.add(s.interrupts.state())
    assert len(states) == len(orders)
    assert s.interrupts.state() == ((0, 0, 0), ()), "all sections of the last order are over"
