"""Spinlocks, mutexes and reader-writer semaphores.

An acquisition that has to wait is blocked by data: the task is off the enabled list until a release puts it back,
and then competes with the others for the lock. Taking a lock that the task itself holds is a ``self-deadlock``,
reported at that acquisition.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim.point import Access, Point
from daxfuzz.sim.shared import Shared
from daxfuzz.sim.task import Signal, Task
from daxfuzz.sim.violation import Violation

if TYPE_CHECKING:
    from daxfuzz.sim.interrupts import Interrupts
    from daxfuzz.sim.world import World


class Lock(Shared):
    """What all locks share.

    What acquires takes a subclass, for checks of the order of several locks of one class (lockdep's nesting
    annotations: down_write_nested, spin_lock_nested). It has no effect on the lock.

    lock_class: locks of one class count as one in lock-order checks (Linux: lockdep's class).
    outer: the locks that were the last one held when this one was taken, in this execution.
    quiet: those of them that on_nest need not be told of, in any execution; whoever observes may add to it.
    on_release: observer, called with (lock, task) after the fact.
    on_nest: observer, called with (lock, task) after the task took it while it held another one, the first time in an
        execution for each lock held last that is not in `quiet`, and each time while any of the locks held has a
        subclass.
    on_sleep: observer, called with (lock, task) when a task that must not sleep arrives at an acquisition that may,
        whether or not the lock is free.
    """

    __slots__ = ("_acquire", "_release", "lock_class", "on_nest", "on_release", "on_sleep", "outer", "quiet")
    ARRIVAL = True
    TRACKED = True

    def __init__(self, world: World, name: str, lock_class: str | None = None) -> None:
        super().__init__(world, name)
        self.lock_class = lock_class or name
        self.on_release: Callable[[Lock, Task], None] | None = None
        self.on_nest: Callable[[Lock, Task], None] | None = None
        self.on_sleep: Callable[[Lock, Task], None] | None = None
        self.outer: set[Lock] = set()
        self.quiet: set[Lock] = set()
        self._acquire = self.point(Access.LOCK, "lock")
        self._release = self.point(Access.UNLOCK, "unlock")

    def held_exclusively(self) -> bool:
        """Whether whoever holds it now keeps all others out."""
        raise NotImplementedError

    def _nest(self, task: Task, subclass: int) -> None:
        """The task has it now, with a subclass, or for the first time with the lock before it, or both hold.

        Callers look whether that is so: mostly it is not, and the task just has one lock more.
        """
        if subclass:
            task.subclasses[self] = subclass
        held = task.held
        if not held:
            held.append(self)
            return
        before = held[-1]
        held.append(self)
        if not task.subclasses:
            self.outer.add(before)
            self.world.nested.append((before, self, task))
            if before in self.quiet:
                return
        if self.on_nest is not None:
            self.on_nest(self, task)

    def _forget(self, task: Task) -> None:
        """The task has it no longer, which it did not take last, or some lock with a subclass.

        Callers look whether that is so: mostly it is not, and the task just has one lock less.
        """
        held = task.held
        if held[-1] is self:
            held.pop()
        else:
            held.remove(self)
        task.subclasses.pop(self, None)

    def _refuse_own(self, task: Task) -> None:
        if self in task.held:
            raise Violation(
                "self-deadlock",
                f"{task.name} acquires {self.name}, which it holds already",
                channel=self.lock_class,
                tasks=(task.name,),
            )


class Mutex(Lock):
    """An exclusive lock without a queue: whoever comes first after a release gets it (Linux: mutex with stealing)."""

    __slots__ = ("interrupts", "owner", "spins", "waiters")
    GUARDED: tuple[str, ...] = ("owner", "waiters")

    def __init__(self, world: World, name: str, lock_class: str | None = None) -> None:
        super().__init__(world, name, lock_class)
        self.owner: Task | None = None
        self.waiters: list[Task] = []
        self.spins = False
        self.interrupts: Interrupts | None = None

    @types.coroutine
    def acquire(self, subclass: int = 0) -> Generator[Point, None, None]:
        """Wait until the lock is free and take it: one step."""
        world = self.world
        me = world.current
        if self.on_sleep is not None and (me.atomic or me.irq_depth):
            self.on_sleep(self, me)
        # From its arrival on the task is parked in front of the lock, and blocked whenever somebody holds it.
        if self.owner is not None or not world.goes_on(self._acquire):
            if self.owner is not None:
                if self.owner is me:
                    yield self._acquire
                    self._refuse_own(me)
                world.block(me, self)
            self.waiters.append(me)
            yield self._acquire
            self.waiters.remove(me)
        self.owner = me
        if self.waiters:
            for waiter in self.waiters:
                world.block(waiter, self)
        if self.spins:
            me.atomic += 1
            if self.interrupts is not None:
                me.irq_depth += 1
        held = me.held
        if subclass or (held and (held[-1] not in self.outer or me.subclasses)):
            self._nest(me, subclass)
        else:
            held.append(self)

    @types.coroutine
    def release(self) -> Generator[Point, None, None]:
        """Let the lock go: one step. Raises RuntimeError if the task does not hold it."""
        world = self.world
        me = world.current
        if not world.goes_on(self._release):
            yield self._release
        if self.owner is not me:
            raise RuntimeError(f"{me.name} releases {self.name}, which it does not hold")
        self.owner = None
        if self.waiters:
            for waiter in self.waiters:
                world.enable(waiter)
        if self.spins:
            me.atomic -= 1
            if self.interrupts is not None:
                self.interrupts.turn_on(me)
        held = me.held
        if held[-1] is self and not me.subclasses:
            held.pop()
        else:
            self._forget(me)
        if self.on_release is not None:
            self.on_release(self, me)

    def held_exclusively(self) -> bool:
        return self.owner is not None

    def owners(self) -> tuple[int, ...]:
        return () if self.owner is None else (self.owner.index,)

    def state(self) -> Hashable:
        return -1 if self.owner is None else self.owner.index

    def restore(self, state: Any) -> None:
        assert state == -1, "a world is sealed with its locks free"
        self.owner = None
        self.waiters.clear()


class SpinLock(Mutex):
    """A spinlock: who waits for it does not sleep, and who holds it must not.

    With `interrupts` it is the irq flavour: interrupts are off while it is held. Turning those of one's own processor
    on or off commutes with others doing so, but not with sending.
    """

    __slots__ = ()

    def __init__(
        self, world: World, name: str, lock_class: str | None = None, interrupts: Interrupts | None = None
    ) -> None:
        super().__init__(world, name, lock_class)
        self.spins = True
        self.interrupts = interrupts
        if interrupts is not None:
            self._acquire = self.point(Access.LOCK, "lock", (interrupts, Access.ADD))
            self._release = self.point(Access.UNLOCK, "unlock", (interrupts, Access.ADD))


class RwSemaphore(Lock):
    """A reader-writer semaphore with writer preference (Linux: kernel/locking/rwsem.c).

    A task that cannot have the lock at once queues. While readers hold the lock, new readers queue behind a waiting
    writer. A release wakes the head of the queue: one writer, or all queued readers if a reader is first, and the
    first of these to run takes the lock for all, also for readers behind a writer. A task that arrives at a free
    lock may still take it before those that were woken, as lock stealing allows.
    """

    __slots__ = ("_try", "_wait", "queue", "readers", "writer")
    GUARDED: tuple[str, ...] = ("queue", "readers", "writer")

    def __init__(self, world: World, name: str, lock_class: str | None = None) -> None:
        super().__init__(world, name, lock_class)
        self.readers: list[Task] = []
        self.writer: Task | None = None
        self.queue: list[tuple[Task, bool]] = []
        self._wait = self.point(Access.LOCK, "wait")
        self._try = self.point(Access.UPDATE, "trylock")

    @types.coroutine
    def down_read_trylock(self) -> Generator[Point, None, bool]:
        """Take the lock shared if nobody has it exclusively and nobody waits: whether it did; one step.

        Who never waits for it takes it in no order with others: it counts as the first of those that are held.
        """
        me = self.world.current
        yield self._try
        taken = self.writer is None and not self.queue
        self.log.append(taken)
        if taken:
            self.readers.append(me)
            me.held.insert(0, self)
        return taken

    @types.coroutine
    def down_read(self, subclass: int = 0) -> Generator[Point, None, None]:
        """Take the lock shared: one step, and one more if it has to wait."""
        world = self.world
        me = world.current
        if self.on_sleep is not None and (me.atomic or me.irq_depth):
            self.on_sleep(self, me)
        if not world.goes_on(self._acquire):
            yield self._acquire
        if self.writer is None and not self.queue:
            self.readers.append(me)
        elif self.writer is None and not (self.readers and any(write for _, write in self.queue)):
            self.readers.append(me)
            self._wake_queue()
        else:
            self._refuse_own(me)
            self.queue.append((me, False))
            self.world.block(me, self)
            self._wake_queue()
            yield self._wait
            if me not in self.readers:
                self._admit_readers()
        held = me.held
        if subclass or (held and (held[-1] not in self.outer or me.subclasses)):
            self._nest(me, subclass)
        else:
            held.append(self)

    @types.coroutine
    def down_write(self, killable: bool = False, subclass: int = 0) -> Generator[Point, None, bool]:
        """Take the lock exclusively: one step, and one more if it has to wait.

        Returns False if `killable` and a fatal signal ended the wait before the lock was free.
        """
        world = self.world
        me = world.current
        if self.on_sleep is not None and (me.atomic or me.irq_depth):
            self.on_sleep(self, me)
        if not world.goes_on(self._acquire):
            yield self._acquire
        if self.writer is not None or self.readers:
            self._refuse_own(me)
            self.queue.append((me, True))
            me.killable = killable
            self.world.block(me, self)
            self._wake_queue()
            yield self._wait
            me.killable = False
            self.queue.remove((me, True))
            if self.writer is not None or self.readers:
                self._wake_queue()
                self.log.append(False)
                return False
        self.writer = me
        if self.queue:
            self._wake_queue()
        held = me.held
        if subclass or (held and (held[-1] not in self.outer or me.subclasses)):
            self._nest(me, subclass)
        else:
            held.append(self)
        if killable:
            self.log.append(True)
        return True

    @types.coroutine
    def up_read(self) -> Generator[Point, None, None]:
        """Give up a shared hold."""
        world = self.world
        me = world.current
        if not world.goes_on(self._release):
            yield self._release
        if me not in self.readers:
            raise RuntimeError(f"{me.name} releases {self.name}, which it does not hold")
        self.readers.remove(me)
        if self.queue:
            self._wake_queue()
        held = me.held
        if held[-1] is self and not me.subclasses:
            held.pop()
        else:
            self._forget(me)
        if self.on_release is not None:
            self.on_release(self, me)

    @types.coroutine
    def up_write(self) -> Generator[Point, None, None]:
        """Give up the exclusive hold."""
        world = self.world
        me = world.current
        if not world.goes_on(self._release):
            yield self._release
        if self.writer is not me:
            raise RuntimeError(f"{me.name} releases {self.name}, which it does not hold")
        self.writer = None
        if self.queue:
            self._wake_queue()
        held = me.held
        if held[-1] is self and not me.subclasses:
            held.pop()
        else:
            self._forget(me)
        if self.on_release is not None:
            self.on_release(self, me)

    @types.coroutine
    def downgrade_write(self) -> Generator[Point, None, None]:
        """Turn the exclusive hold into a shared one; waiting readers at the head get in."""
        yield self._release
        me = self.world.current
        if self.writer is not me:
            raise RuntimeError(f"{me.name} downgrades {self.name}, which it does not hold")
        self.writer = None
        self.readers.append(me)
        self._wake_queue()

    def held_exclusively(self) -> bool:
        return self.writer is not None

    def held_for_write(self) -> bool:
        """Whether the current task holds it exclusively; for assertions of the model (rwsem_is_locked)."""
        return self.writer is self.world.current

    def written_by(self, task: Task) -> bool:
        """Whether a task holds it exclusively, for observers of a step of that task. Nobody else can change that, so
        it is no look at the lock (record_looks)."""
        return _writer_of(self) is task

    def _admit_readers(self) -> None:
        """Give the lock to all queued readers (rwsem_mark_wake)."""
        admitted = [task for task, write in self.queue if not write]
        self.readers += admitted
        self.queue = [entry for entry in self.queue if entry[1]]
        for task in admitted:
            self.world.enable(task)
        self._wake_queue()

    def _wake_queue(self) -> None:
        """Let the head of the queue go on, if what is held now allows it, and nobody else but those killed."""
        writer_first = bool(self.queue) and self.queue[0][1]
        for position, (task, write) in enumerate(self.queue):
            if write:
                may = position == 0 and self.writer is None and not self.readers
            else:
                may = self.writer is None and not writer_first
            if may or (task.killable and task.signal is Signal.FATAL):
                self.world.enable(task)
            else:
                self.world.block(task, self)

    def owners(self) -> tuple[int, ...]:
        if self.writer is not None:
            return (self.writer.index,)
        if self.readers:
            return tuple(sorted({task.index for task in self.readers}))
        return tuple(task.index for task, _ in self.queue[:1])

    def state(self) -> Hashable:
        return (
            -1 if self.writer is None else self.writer.index,
            tuple(sorted(task.index for task in self.readers)),
            tuple((task.index, write) for task, write in self.queue),
        )

    def restore(self, state: Any) -> None:
        assert state == (-1, (), ()), "a world is sealed with its locks free"
        self.writer = None
        self.readers.clear()
        self.queue.clear()


# Past what a mode puts in the place of the attribute.
_writer_of = vars(RwSemaphore)["writer"].__get__
