"""Signals: whom they wake, and how they travel on both hosts."""

from __future__ import annotations

import sys

import pytest
import trio
from sim_kit import Order, on_both, run

from daxfuzz.sim import (
    Atomic,
    Cell,
    RwSemaphore,
    Scheduler,
    Signal,
    Stepper,
    TaskState,
    TrioHost,
    WaitEntry,
    WaitQueueHead,
    World,
)

STATES = [TaskState.INTERRUPTIBLE, TaskState.KILLABLE, TaskState.UNINTERRUPTIBLE]


class Tracing(World):
    """Notes which function delivered each signal."""

    __slots__ = ("via",)

    def deliver(self, task, signal):
        self.via.append((task.name, signal, sys._getframe(1).f_code.co_name))
        super().deliver(task, signal)


def setting(state, *signals, victims=1):
    """A sleeper `v` and a task `s` that sends it signals, one per step."""
    world = Tracing()
    world.via = []
    cell = Cell(world, "cell", 0)
    queue = WaitQueueHead(world, "queue")

    async def sleeper() -> None:
        entry = WaitEntry(world.current)
        await queue.prepare_to_wait(entry, state)
        await queue.schedule()
        await queue.finish_wait(entry)
        await cell.read()

    async def sender() -> None:
        for signal in signals:
            await cell.read()
            world.signal(world.tasks[0], signal)

    world.spawn("v", sleeper)
    world.spawn("s", sender)
    return world.seal()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("signal", [Signal.PENDING, Signal.FATAL])
def test_who_is_woken(state, signal):
    woken = state is TaskState.INTERRUPTIBLE or (state is TaskState.KILLABLE and signal is Signal.FATAL)
    world = setting(state, signal)
    done = on_both(world, lambda: Order("v s"))
    assert done.stuck == (() if woken else (0,))
    assert world.tasks[0].signal is signal


def test_a_signal_to_a_parked_task_goes_through_the_abort_function(monkeypatch):
    world = setting(TaskState.INTERRUPTIBLE, Signal.PENDING)
    answers = []
    park = trio.lowlevel.wait_task_rescheduled

    async def spy(abort):
        def noting(raise_cancel):
            answers.append(abort(raise_cancel))
            return answers[-1]

        return await park(noting)

    monkeypatch.setattr(trio.lowlevel, "wait_task_rescheduled", spy)
    done = TrioHost(world).run(Order("v s"))
    assert answers == [trio.lowlevel.Abort.FAILED], "the task parks on"
    assert world.via == [("v", Signal.PENDING, "abort")]
    assert done.stuck == ()
    world.via.clear()
    Stepper(world).run(Order("v s"))
    assert [via for _, _, via in world.via] == ["signal"]


def test_a_task_can_be_signalled_again_and_again():
    """Each turn of the victim is in a new scope; two signals without a turn between them share one."""
    signals = (Signal.PENDING, Signal.PENDING, Signal.PENDING, Signal.FATAL)
    world = setting(TaskState.INTERRUPTIBLE, *signals)
    TrioHost(world).run(Order("v s v s v s s v"))
    assert [via for _, _, via in world.via] == ["abort", "abort", "abort", "send_signal"]
    assert world.tasks[0].signal is Signal.FATAL
    expected = Stepper(world).run(Order("v s v s v s s v")).digest()
    assert TrioHost(world).run(Order("v s v s v s s v")).digest() == expected


def test_a_fatal_signal_is_not_weakened_by_a_later_one():
    world = setting(TaskState.KILLABLE, Signal.FATAL, Signal.PENDING)
    assert on_both(world, lambda: Order("s s v v v v")).stuck == ()
    assert world.tasks[0].signal is Signal.FATAL


def test_a_signal_to_a_killable_lock_wait_under_trio():
    world = World()
    cell, sem = Cell(world, "cell", 0), RwSemaphore(world, "sem")
    results = []

    async def holder() -> None:
        await sem.down_read()
        await sem.up_read()

    async def victim() -> None:
        results.append(await sem.down_write(killable=True))

    async def sender() -> None:
        await cell.read()
        world.signal(world.tasks[1], Signal.FATAL)

    for name, actor in (("h", holder), ("v", victim), ("s", sender)):
        world.spawn(name, actor)
    on_both(world.seal(), lambda: Order("h v s v h"))
    assert results == [False, False]


def test_a_signal_to_oneself():
    world = World()
    cell, queue = Cell(world, "cell", 0), WaitQueueHead(world, "queue")

    async def body() -> None:
        await cell.read()
        me = world.current
        world.signal(me, Signal.PENDING)
        entry = WaitEntry(me)
        assert await queue.prepare_to_wait_event(entry, TaskState.INTERRUPTIBLE) < 0
        await queue.prepare_to_wait(entry, TaskState.INTERRUPTIBLE)
        await queue.schedule()
        await queue.finish_wait(entry)

    world.spawn("a", body)
    assert on_both(world.seal(), Scheduler).stuck == ()


def test_a_signal_to_a_task_that_has_ended_has_no_effect():
    world = setting(TaskState.UNINTERRUPTIBLE, Signal.FATAL)
    atomic = Atomic(World(), "other")
    assert atomic.value == 0

    ended = World()
    cell = Cell(ended, "cell", 0)

    async def sender() -> None:
        await cell.read()
        ended.signal(ended.tasks[0], Signal.FATAL)

    async def nothing() -> None:
        pass

    for name, actor in (("n", nothing), ("v", cell.read), ("s", sender), ("t", sender)):
        ended.spawn(name, actor)
    ended.seal()
    for host in (Stepper, TrioHost):
        assert host(ended).run(Order("v s t")).turns == [1, 2, 3]
        assert ended.tasks[0].signal is Signal.NONE
    assert world.tasks[0].signal is Signal.NONE


def test_a_signal_is_forgotten_by_the_next_execution():
    world = setting(TaskState.INTERRUPTIBLE, Signal.PENDING)
    assert run(world, Order("v s")).stuck == ()
    assert run(world, Order("s v"), limit=1).turns == [1]
    world.reset()
    assert world.tasks[0].signal is Signal.NONE
    assert world.tasks[0].state is TaskState.RUNNING
    world.close()


def test_signals_after_the_suffix_took_over():
    """The second stage has Trio tasks of its own; a signal finds its way there, too."""
    world = setting(TaskState.INTERRUPTIBLE, Signal.PENDING)
    done = TrioHost(world).run(Scheduler(), limit=1, suffix=Order("s v v"))
    assert len(done.turns) == 2
    assert world.via == [("v", Signal.PENDING, "abort")]
    assert done.digest() == Stepper(world).run(Scheduler(), limit=1, suffix=Order("s v v")).digest()
