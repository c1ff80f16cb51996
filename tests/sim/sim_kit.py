"""What the tests of daxfuzz.sim share: schedulers, an invariant checker, random programs over all primitives."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from daxfuzz.sim import (
    Access,
    Atomic,
    Cell,
    Completion,
    Execution,
    Interrupts,
    Mutex,
    PercpuRef,
    PercpuRwSemaphore,
    Rcu,
    RwSemaphore,
    Scheduler,
    Signal,
    SpinLock,
    Stepper,
    TaskState,
    TrioHost,
    WaitEntry,
    WaitQueueHead,
    WaitTable,
    World,
    wait_event,
    wait_var_event,
    wake_up_var,
)

Op = Callable[[], Awaitable[Any]]


class Order(Scheduler):
    """Exactly these turns, by task name; then the lowest index. A turn of a task that cannot run fails the test."""

    def __init__(self, *names: str) -> None:
        self.names = " ".join(names).split()

    def new_execution(self, world: World) -> None:
        self.indices = {task.name: task.index for task in world.tasks}
        self.left = iter(self.names)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        name = next(self.left, None)
        if name is None:
            return enabled[0]
        assert self.indices[name] in enabled, f"{name} cannot run"
        return self.indices[name]


class RandomWalk(Scheduler):
    """Every enabled task with the same probability; a part of the turns may be given as a script."""

    def __init__(self, seed: int, scripted: Sequence[int] = ()) -> None:
        self.seed = seed
        self.scripted = scripted

    def new_execution(self, world: World) -> None:
        self.random = random.Random(self.seed)

    def script(self) -> Sequence[int]:
        return self.scripted

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        return enabled[int(self.random.random() * len(enabled))]


class RoundRobin(Scheduler):
    """Fair: the next enabled index after the current one."""

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        return next((index for index in enabled if index > current), enabled[0])


class Checked(Scheduler):
    """Checks the invariants of a world before every choice of another scheduler, and counts the checks."""

    def __init__(self, inner: Scheduler) -> None:
        self.inner = inner
        self.checks = 0

    def new_execution(self, world: World) -> None:
        self.world = world
        self.before: list[Any] | None = None
        self.inner.new_execution(world)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        assert enabled is self.world.enabled
        check_invariants(self.world)
        self.check_frame()
        self.checks += 1
        self.before = [obj.state() for obj in self.world.objects]
        chosen = self.inner.next_task(enabled, current)
        self.point = self.world.tasks[chosen].point
        return chosen

    def check_frame(self) -> None:
        """The last step changed what it declares at most (passengers aside), and nothing at all if it was a read."""
        if self.before is None:
            return
        for obj, before in zip(self.world.objects, self.before, strict=True):
            if obj.state() != before:
                assert self.point.declares(obj) or obj.PASSENGER, (self.point, obj)
                assert self.point.access is not Access.READ, (self.point, obj)


def may_run(world: World, task: Any) -> bool:
    """Whether a parked task can take a turn, from the meaning of the primitives and not from their bookkeeping."""
    point = task.point
    obj = point.object
    if isinstance(obj, Mutex) and point.verb == "lock":
        return obj.owner is None or obj.owner is task
    if isinstance(obj, RwSemaphore) and point.verb == "wait":
        if task in obj.readers:
            return True
        if task.killable and task.signal is Signal.FATAL:
            return True
        if obj.writer is not None:
            return False
        if (task, True) in obj.queue:
            return obj.queue[0] == (task, True) and not obj.readers
        return not obj.queue[0][1]
    if isinstance(obj, PercpuRwSemaphore) and point.verb != "unlock":
        return not obj.readers if point.verb == "drain" else not obj.barred
    if isinstance(obj, WaitQueueHead) and point.verb == "schedule":
        return not task.asleep
    if isinstance(obj, Interrupts) and point.verb == "wait_ipi":
        return all(sender != task.index for sender, _, _ in obj.pending)
    if isinstance(obj, Rcu) and point.verb == "grace_period":
        return not obj.waiting[task.index]
    return True


def check_invariants(world: World) -> None:
    """The enabled list is what the states of objects and tasks say, and these agree with each other."""
    assert world.enabled == sorted(task.index for task in world.tasks if task.runnable)
    for task in world.tasks:
        if task.point is None:
            assert not task.runnable
            assert task.index in world.ended
            continue
        assert task.runnable == may_run(world, task), (task, task.point)
        assert (task.blocked_on is None) == task.runnable
        if not task.runnable:
            assert task.blocked_on is task.point.object
        if task.asleep:
            assert task.state is not TaskState.RUNNING
            assert not task.signal_pending(task.state)
        assert task.irq_depth >= sum(isinstance(lock, SpinLock) and lock.interrupts is not None for lock in task.held)
        if task.killable:
            assert (task, True) in task.point.object.queue
    holders: dict[Any, list[int]] = {}
    for task in world.tasks:
        for lock in task.held:
            holders.setdefault(lock, []).append(task.index)
    for obj in world.objects:
        if isinstance(obj, Mutex):
            assert holders.get(obj, []) == list(obj.owners())
        elif isinstance(obj, RwSemaphore):
            assert obj.writer is None or not obj.readers
            owning = [obj.writer] if obj.writer is not None else obj.readers
            admitted = [task for task in owning if task.point is not None and task.point is obj._wait]
            assert sorted(task.index for task in owning) == sorted(
                [*holders.get(obj, []), *(task.index for task in admitted)]
            )
        elif isinstance(obj, Interrupts):
            assert all(world.tasks[target].irq_depth for _, target, _ in obj.pending)
        elif isinstance(obj, WaitQueueHead):
            flags = [entry.exclusive for entry in obj.entries]
            assert flags == sorted(flags)
            assert all(entry.queued for entry in obj.entries)
            assert all(entry.task.point is not None for entry in obj.entries)


def run(world: World, scheduler: Scheduler, **options: Any) -> Execution:
    """One execution on the stepper with all invariants checked."""
    return Stepper(world).run(Checked(scheduler), **options)


def on_both(world: World, make: Callable[[], Scheduler], **options: Any) -> Execution:
    """The same execution on both hosts; they leave the same behind."""
    first = Stepper(world).run(make(), **options)
    second = TrioHost(world).run(make(), **options)
    assert first.turns == second.turns
    assert first.log == second.log
    assert first.digest() == second.digest()
    assert (first.violation is None) == (second.violation is None)
    assert str(first.violation) == str(second.violation)
    return first


def lines(execution: Execution) -> list[str]:
    """The trace as text."""
    return [f"{step.task} {step.point!r} {step.value!r}" for step in execution.steps()]


class RandomProgram:
    """A world of 2 to 4 tasks over all primitives: nested critical sections, waits, wakes, signals.

    Deadlocks, underflows and self-deadlocks are part of it.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = world = World()
        self.cells = [Cell(world, f"cell{i}", 0) for i in range(2)]
        self.atomics = [Atomic(world, f"atomic{i}", 1) for i in range(3)]
        self.interrupts = Interrupts(world)
        self.mutexes = [Mutex(world, f"mutex{i}") for i in range(2)]
        self.spin = SpinLock(world, "spin", "spin", self.interrupts)
        self.rwsems = [RwSemaphore(world, f"rwsem{i}") for i in range(2)]
        self.table = WaitTable(world, "var", 2)
        self.queue = WaitQueueHead(world, "queue")
        self.done = Completion(world, "done")
        self.ref = PercpuRef(world, "ref", self.done.complete, 2)
        self.rcu = Rcu(world, "rcu")
        self.served = Cell(world, "served", 0)
        tasks = self.random.randint(2, 4)
        for i in range(tasks):
            ops = [self.op(tasks, depth=0) for _ in range(self.random.randint(1, 4))]
            world.spawn(f"t{i}", self.actor(ops))
        if self.random.random() < 0.1:
            world.spawn("idle", self.actor([]))
        world.seal()

    @staticmethod
    def actor(ops: Iterable[Op]) -> Callable[[], Any]:
        async def run() -> None:
            for op in ops:
                await op()

        return run

    def body(self, tasks: int, depth: int) -> list[Op]:
        return [self.op(tasks, depth + 1) for _ in range(self.random.randint(0, 2))]

    def op(self, tasks: int, depth: int) -> Op:
        rng = self.random
        kinds = [self.access, self.access, self.wake, self.signal, self.wait, self.percpu]
        if depth < 2:
            kinds += [self.section, self.section, self.section]
        return rng.choice(kinds)(tasks, depth)

    def access(self, tasks: int, depth: int) -> Op:
        rng = self.random
        cell, atomic, n = rng.choice(self.cells), rng.choice(self.atomics), rng.randint(-1, 2)
        return rng.choice(
            [
                cell.read,
                lambda: cell.write(n),
                lambda: cell.exchange(n),
                atomic.read,
                lambda: atomic.set(n),
                lambda: atomic.add(n),
                lambda: atomic.add_return(n),
                lambda: atomic.add_unless_zero(n),
            ]
        )

    def section(self, tasks: int, depth: int) -> Op:
        rng = self.random
        body = self.body(tasks, depth)
        more = self.body(tasks, depth)
        mutex, rwsem = rng.choice([*self.mutexes, self.spin]), rng.choice(self.rwsems)
        kind = rng.choice(["mutex", "read", "write", "killable", "downgrade", "irq", "rcu"])

        async def run() -> None:
            if kind == "mutex":
                await mutex.acquire()
            elif kind == "read":
                await rwsem.down_read()
            elif kind in ("write", "downgrade"):
                await rwsem.down_write()
            elif kind == "killable":
                if not await rwsem.down_write(killable=True):
                    return
            elif kind == "irq":
                await self.interrupts.local_irq_save()
            else:
                await self.rcu.read_lock()
            for op in body:
                await op()
            if kind == "mutex":
                await mutex.release()
            elif kind == "read":
                await rwsem.up_read()
            elif kind in ("write", "killable"):
                await rwsem.up_write()
            elif kind == "downgrade":
                await rwsem.downgrade_write()
                for op in more:
                    await op()
                await rwsem.up_read()
            elif kind == "irq":
                await self.interrupts.local_irq_restore()
            else:
                await self.rcu.read_unlock()

        return run

    def wait(self, tasks: int, depth: int) -> Op:
        rng = self.random
        atomic, least, address = rng.choice(self.atomics), rng.randint(1, 3), rng.randrange(4)
        state = rng.choice([TaskState.INTERRUPTIBLE, TaskState.KILLABLE, TaskState.UNINTERRUPTIBLE])
        rwsem, exclusive, kind = rng.choice(self.rwsems), rng.random() < 0.5, rng.randrange(6)

        async def condition() -> bool:
            return await atomic.read() >= least

        async def dropping() -> None:
            await rwsem.up_write()
            await self.table.bucket(address).schedule()
            await rwsem.down_write()

        async def run() -> None:
            if kind == 0:
                await self.done.wait()
            elif kind == 1:
                await self.rcu.synchronize()
            elif kind == 2:
                await self.interrupts.call_function(range(tasks), lambda index: None)
            elif kind == 3:
                entry = WaitEntry(self.world.current, address % 2 or None, exclusive)
                await wait_event(self.queue, entry, condition, state)
            elif kind == 4:
                await wait_var_event(self.table, address, condition, state)
            else:
                await rwsem.down_write()
                await wait_var_event(self.table, address, condition, state, dropping)
                await rwsem.up_write()

        return run

    def wake(self, tasks: int, depth: int) -> Op:
        rng = self.random
        atomic, address, n = rng.choice(self.atomics), rng.randrange(4), rng.randint(0, 2)
        key = rng.choice([None, 1, 2])

        async def run() -> None:
            await atomic.add(1)
            if key is None:
                await wake_up_var(self.table, address)
            else:
                await self.queue.wake(key, n)

        return run

    def signal(self, tasks: int, depth: int) -> Op:
        victim, signal = self.random.randrange(tasks), self.random.choice([Signal.PENDING, Signal.FATAL])
        cell = self.random.choice(self.cells)

        async def run() -> None:
            await cell.read()
            self.world.signal(self.world.tasks[victim], signal)

        return run

    def percpu(self, tasks: int, depth: int) -> Op:
        kind = self.random.randrange(4)

        async def run() -> None:
            if kind == 0:
                await self.ref.kill()
            elif kind == 1:
                await self.ref.put()
            elif await self.ref.tryget_live():
                await self.ref.get()
                await self.ref.put(2)

        return run
