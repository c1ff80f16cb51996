"""Wait queues, wait_event, wait_var_event and completions against kernel/sched/wait.c, wait_bit.c, completion.c."""

from __future__ import annotations

import pytest
from sim_kit import Order, lines, on_both, run

from daxfuzz.sim import (
    ERESTARTSYS,
    Atomic,
    Cell,
    Completion,
    PercpuRef,
    RwSemaphore,
    Signal,
    TaskState,
    WaitEntry,
    WaitQueueHead,
    WaitTable,
    World,
    wait_event,
    wait_var_event,
    wake_up_var,
)

INTERRUPTIBLE, KILLABLE, UNINTERRUPTIBLE = TaskState.INTERRUPTIBLE, TaskState.KILLABLE, TaskState.UNINTERRUPTIBLE


class Queue:
    """One queue and tasks that sleep on it once, each for its key."""

    def __init__(self) -> None:
        self.world = World()
        self.queue = WaitQueueHead(self.world, "queue")
        self.cell = Cell(self.world, "cell", 0)
        self.woken: list[str] = []

    def sleeper(self, name, key=None, exclusive=False, state=UNINTERRUPTIBLE):
        async def body() -> None:
            entry = WaitEntry(self.world.current, key, exclusive)
            await self.queue.prepare_to_wait(entry, state)
            await self.cell.read()
            await self.queue.schedule()
            self.woken.append(name)
            await self.queue.finish_wait(entry)

        return self.world.spawn(name, body)

    def waker(self, name, key=None, n=1):
        async def body() -> None:
            await self.queue.wake(key, n)

        return self.world.spawn(name, body)

    def look(self, name):
        """A task whose one step notes who is queued."""
        self.seen: list[tuple[str, ...]] = []

        async def body() -> None:
            await self.queue.active()
            self.seen.append(tuple(entry.task.name for entry in self.queue.entries))

        return self.world.spawn(name, body)

    def run(self, *turns):
        self.woken.clear()
        self.seen = []
        if not self.world._sealed:
            self.world.seal()
        return run(self.world, Order(*turns))


def test_exclusive_waiters_queue_at_the_tail_and_the_others_at_the_head():
    q = Queue()
    for name, exclusive in (("e", True), ("a", False), ("f", True), ("b", False)):
        q.sleeper(name, exclusive=exclusive)
    q.look("x")
    q.run("e a f b x")
    assert q.seen == [("b", "a", "e", "f")]
    q.run("f b a e x")
    assert q.seen == [("a", "b", "f", "e")]


@pytest.mark.parametrize(
    ("n", "woken"),
    [(1, "b a e"), (2, "b a e f"), (3, "b a e f g"), (0, "b a e f g"), (9, "b a e f g")],
)
def test_a_wake_stops_after_n_exclusive_waiters(n, woken):
    q = Queue()
    for name in "efg":
        q.sleeper(name, exclusive=True)
    q.sleeper("a")
    q.sleeper("b")
    q.waker("w", n=n)
    done = q.run("e e f f g g a a b b w")
    assert sorted(q.woken) == sorted(woken.split())
    assert {q.world.tasks[index].name for index in done.stuck} == set("abefg") - set(woken.split())


def test_a_waiter_with_another_key_is_passed_by_and_not_counted():
    q = Queue()
    q.sleeper("other", key=1, exclusive=True)
    q.sleeper("mine", key=2, exclusive=True)
    q.sleeper("any", exclusive=True)
    q.waker("w", key=2)
    q.look("x")
    q.run("other other mine mine any any w x")
    assert q.woken == ["mine"]
    assert q.seen == [("other", "any")]
    q.run("any any other other mine mine w x")
    assert q.woken == ["any"]
    assert q.seen == [("other", "mine")]


def test_a_wake_without_key_matches_every_waiter():
    q = Queue()
    q.sleeper("a", key=1, exclusive=True)
    q.sleeper("b", key=2, exclusive=True)
    q.waker("w", key=None, n=2)
    assert q.run("a a b b w").stuck == ()


def test_a_running_waiter_is_neither_counted_nor_removed():
    """Woken by a signal and not yet through finish_wait: try_to_wake_up says 0."""
    q = Queue()
    q.sleeper("a", exclusive=True, state=INTERRUPTIBLE)
    q.sleeper("b", exclusive=True)
    q.waker("w")
    q.look("x")

    async def sender() -> None:
        await q.cell.read()
        q.world.signal(q.world.tasks[0], Signal.PENDING)

    q.world.spawn("s", sender)
    # Both before the signalled task runs and after its schedule has returned.
    for turns in ("a a b b s w x", "a a b b s a w x"):
        assert q.run(turns).stuck == ()
        assert q.seen == [("a",)]
        assert sorted(q.woken) == ["a", "b"]


def test_a_waiter_about_to_sleep_is_woken_counted_and_does_not_sleep():
    q = Queue()
    q.sleeper("a", exclusive=True)
    q.sleeper("b", exclusive=True)
    q.waker("w")
    q.look("x")
    # a has set its state and reads the condition; its schedule then returns at once.
    done = q.run("a b b w x a a")
    assert q.woken == ["a"]
    assert q.seen == [("b",)]
    assert done.stuck == (1,)


def test_a_wake_before_prepare_is_lost():
    q = Queue()
    q.sleeper("a")
    q.waker("w")
    done = q.run("w a a")
    assert done.stuck == (0,)
    assert q.woken == []


def test_active_counts_all_keys():
    q = Queue()
    q.sleeper("a", key=1)
    answers = []

    async def ask() -> None:
        answers.append(await q.queue.active())

    q.world.spawn("x", ask)
    q.run("x a")
    q.run("a x")
    assert answers == [False, True]


def test_prepare_does_not_queue_an_entry_twice():
    q = Queue()

    async def body() -> None:
        entry = WaitEntry(q.world.current)
        for _ in range(2):
            await q.queue.prepare_to_wait(entry, UNINTERRUPTIBLE)
            assert await q.queue.prepare_to_wait_event(entry, UNINTERRUPTIBLE) == 0
        assert q.queue.entries == [entry]
        await q.queue.finish_wait(entry)
        assert q.queue.entries == []
        assert entry.task.state is TaskState.RUNNING
        await q.queue.schedule()

    q.world.spawn("a", body)
    assert q.run().stuck == ()


@pytest.mark.parametrize(
    ("state", "signal", "interrupted"),
    [
        (INTERRUPTIBLE, Signal.PENDING, True),
        (INTERRUPTIBLE, Signal.FATAL, True),
        (KILLABLE, Signal.PENDING, False),
        (KILLABLE, Signal.FATAL, True),
        (UNINTERRUPTIBLE, Signal.PENDING, False),
        (UNINTERRUPTIBLE, Signal.FATAL, False),
    ],
)
class TestSignals:
    def world(self, state, signal):
        q = Queue()
        q.results = []
        q.flag = Atomic(q.world, "flag")

        async def waiter() -> None:
            me = q.world.current
            entry = WaitEntry(me)
            error = await wait_event(q.queue, entry, self.condition(q), state)
            q.results.append((error, entry.queued, me.state))

        async def sender() -> None:
            await q.cell.read()
            q.world.signal(q.world.tasks[0], signal)

        async def setter() -> None:
            await q.flag.set(1)

        q.world.spawn("a", waiter)
        q.world.spawn("s", sender)
        q.world.spawn("t", setter)
        q.world.seal()
        return q

    @staticmethod
    def condition(q):
        async def condition() -> bool:
            return bool(await q.flag.read())

        return condition

    def test_asleep(self, state, signal, interrupted):
        q = self.world(state, signal)
        done = on_both(q.world, lambda: Order("a a s"))
        assert done.stuck == (() if interrupted else (0,))
        assert q.results == ([(-ERESTARTSYS, False, TaskState.RUNNING)] * 2 if interrupted else [])

    def test_between_condition_and_schedule_of_the_same_step_as_before(self, state, signal, interrupted):
        q = self.world(state, signal)
        done = on_both(q.world, lambda: Order("a s a"))
        assert done.stuck == (() if interrupted else (0,))

    def test_before_the_wait_dequeues_and_leaves_the_state_unset(self, state, signal, interrupted):
        q = self.world(state, signal)
        done = run(q.world, Order("s a a"))
        assert done.stuck == (() if interrupted else (0,))
        if interrupted:
            assert q.results == [(-ERESTARTSYS, False, TaskState.RUNNING)]
            assert lines(done)[1:3] == [f"0 queue.prepare_to_wait {-ERESTARTSYS}", "0 flag.read 0"]
            # An error return makes no finish_wait.
            assert not any("finish_wait" in line for line in lines(done))

    def test_a_true_condition_beats_the_signal(self, state, signal, interrupted):
        q = self.world(state, signal)
        done = run(q.world, Order("t s a a a"))
        assert q.results == [(0, False, TaskState.RUNNING)]
        assert lines(done)[-1] == "0 queue.finish_wait None"

    def test_a_condition_that_became_true_in_the_sleep_beats_the_signal(self, state, signal, interrupted):
        q = self.world(state, signal)
        done = run(q.world, Order("a a t s"))
        assert done.stuck == (() if interrupted else (0,))
        assert q.results == ([(0, False, TaskState.RUNNING)] if interrupted else [])


def test_prepare_with_a_signal_pending_takes_a_queued_entry_off():
    q = Queue()

    async def body() -> None:
        me = q.world.current
        entry = WaitEntry(me)
        assert await q.queue.prepare_to_wait_event(entry, INTERRUPTIBLE) == 0
        assert q.queue.entries == [entry]
        assert me.state is INTERRUPTIBLE
        q.world.signal(me, Signal.PENDING)
        # A signal to a task that has set its state wakes it; the entry stays.
        assert me.state is TaskState.RUNNING
        assert q.queue.entries == [entry]
        assert await q.queue.prepare_to_wait_event(entry, INTERRUPTIBLE) == -ERESTARTSYS
        assert q.queue.entries == []
        assert me.state is TaskState.RUNNING

    q.world.spawn("a", body)
    done = q.run()
    assert len(done.turns) == 2


def test_schedule_with_a_signal_pending_does_not_sleep_and_leaves_the_task_running():
    q = Queue()

    async def body() -> None:
        me = q.world.current
        entry = WaitEntry(me)
        await q.cell.read()
        q.world.signal(me, Signal.PENDING)
        # Unlike prepare_to_wait_event, this one sets the state whatever is pending.
        await q.queue.prepare_to_wait(entry, INTERRUPTIBLE)
        assert me.state is INTERRUPTIBLE
        await q.queue.schedule()
        assert me.state is TaskState.RUNNING
        assert q.queue.entries == [entry]

    q.world.spawn("a", body)
    assert q.run().stuck == ()


class Var:
    """Two buckets; tasks that wait for `flag` under an address, and tasks that set it and wake."""

    def __init__(self, buckets=2) -> None:
        self.world = World()
        self.table = WaitTable(self.world, "var", buckets)
        self.flag = Atomic(self.world, "flag")

    async def condition(self) -> bool:
        return bool(await self.flag.read())

    def waiter(self, name, address, command=None):
        async def body() -> None:
            assert await wait_var_event(self.table, address, self.condition, UNINTERRUPTIBLE, command) == 0

        self.world.spawn(name, body)

    def waker(self, name, address):
        async def body() -> None:
            await self.flag.set(1)
            await wake_up_var(self.table, address)

        self.world.spawn(name, body)


def test_wake_up_var_wakes_all_waiters_for_the_key():
    v = Var()
    for name in "abc":
        v.waiter(name, 4)
    v.waker("w", 4)
    done = on_both(v.world.seal(), lambda: Order("a a b b c c w w w"))
    assert done.stuck == ()


def test_keys_that_collide_in_a_bucket_are_told_apart():
    v = Var()
    v.waiter("a", 4)
    v.waiter("b", 6)
    v.waker("w", 6)
    assert v.table.bucket(4) is v.table.bucket(6)
    assert v.table.bucket(4) is not v.table.bucket(5)
    done = on_both(v.world.seal(), lambda: Order("a a b b w w w"))
    assert done.stuck == (0,)
    assert "2 var[0].active True" in lines(done)


def test_wake_up_var_of_a_bucket_without_waiters_makes_no_wake():
    v = Var()
    v.waiter("a", 4)
    v.waker("w", 5)
    done = run(v.world.seal(), Order("a a w w"))
    assert done.stuck == (0,)
    assert lines(done)[-1] == "1 var[1].active False"


def test_the_look_before_enqueueing_loses_nothing():
    """The waiter queues before it looks at the condition: in every order it ends."""
    v = Var()
    v.waiter("a", 0)
    v.waker("w", 0)
    v.world.seal()
    for turns in ("w w a a", "w a w a", "a w w w a", "a a w w w", "a w a w", "w a a w"):
        assert run(v.world, Order(turns)).stuck == ()


def test_a_command_drops_a_lock_for_the_sleep():
    v = Var()
    lock = RwSemaphore(v.world, "lock")

    async def command() -> None:
        await lock.up_write()
        await v.table.bucket(0).schedule()
        await lock.down_write()

    async def body() -> None:
        await lock.down_write()
        await wait_var_event(v.table, 0, v.condition, UNINTERRUPTIBLE, command)
        assert lock.held_for_write()
        await lock.up_write()

    async def other() -> None:
        await lock.down_write()
        await v.flag.set(1)
        await wake_up_var(v.table, 0)
        await lock.up_write()

    v.world.spawn("a", body)
    v.world.spawn("w", other)
    v.world.seal()
    assert on_both(v.world, lambda: Order("a a a a w w w w w")).stuck == ()
    # A wake between up_write and schedule is not lost.
    assert on_both(v.world, lambda: Order("a a a w a w w w w")).stuck == ()


def test_completion():
    world = World()
    done = Completion(world, "done")
    order = []

    def waiter(name):
        async def body() -> None:
            await done.wait()
            order.append(name)

        world.spawn(name, body)

    def completer(name) -> None:
        ref = PercpuRef(world, f"{name}.ref", done.complete)
        world.spawn(name, ref.kill)

    waiter("a")
    waiter("b")
    completer("x")
    completer("y")
    world.seal()
    # One event wakes one waiter, first come first served.
    with pytest.raises(AssertionError, match="a cannot run"):
        run(world, Order("b a x a"))
    assert on_both(world, lambda: Order("b a x b b y")).stuck == ()
    assert order == ["b", "a"] * 2
    order.clear()
    # Events are counted: completed before anybody waits.
    assert run(world, Order("x y a b")).turns == [2, 3, 0, 1]
    # A newcomer may take the event of a woken waiter, who then waits on.
    order.clear()
    assert run(world, Order("b x a b y b b")).stuck == ()
    assert order == ["a", "b"]


def test_a_completion_is_not_interrupted():
    world = World()
    done = Completion(world, "done")
    cell = Cell(world, "cell", 0)

    async def sender() -> None:
        await cell.read()
        world.signal(world.tasks[0], Signal.FATAL)

    world.spawn("a", done.wait)
    world.spawn("s", sender)
    assert on_both(world.seal(), lambda: Order("a s")).stuck == (0,)


def test_states_tell_entries_apart():
    q = Queue()
    q.sleeper("a", key=1)
    q.sleeper("b", key=1)
    q.sleeper("c", key=2, exclusive=True)
    q.world.seal()
    states = set()
    for turns in ("a", "b", "c", "a b", "b a", "a c", "a b c"):
        run(q.world, Order(turns), limit=len(turns.split()))
        states.add(q.queue.state())
    assert len(states) == 7


def test_points_of_a_queue_are_built_once() -> None:
    queue = WaitQueueHead(World(), "queue")
    assert queue._wake is queue._wake
    assert repr(queue._wake) == "queue.wake"
    assert not hasattr(queue, "_nothing")
