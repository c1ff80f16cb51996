"""Wait queues, and what is built on them (Linux: kernel/sched/wait.c, wait_bit.c, completion.c).

Every operation on a queue is one step, since all of them run under the queue's own lock. Sleeping is what it is in
Linux: a task that set its state and was woken before it called schedule does not sleep.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Generator, Hashable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim.point import Access, Point
from daxfuzz.sim.shared import Shared
from daxfuzz.sim.task import Task, TaskState

if TYPE_CHECKING:
    from daxfuzz.sim.world import World

ERESTARTSYS = 512


class WaitEntry:
    """One waiter on a queue (wait_queue_entry).

    key: what it waits for; a wake with another key passes it by. None matches every wake.
    exclusive: a wake of n exclusive waiters stops after n of these.
    condition: evaluates what it waits for, for the reader of a hang; a coroutine function of reads only.
    """

    __slots__ = ("condition", "exclusive", "key", "queued", "task")

    def __init__(
        self,
        task: Task,
        key: Hashable = None,
        exclusive: bool = False,
        condition: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self.task = task
        self.key = key
        self.exclusive = exclusive
        self.condition = condition
        self.queued = False


class WaitQueueHead(Shared):
    """A queue of sleepers: exclusive ones at the tail, the others at the head (wait_queue_head).

    on_sleep: observer, called with (queue, task) when a task that must not sleep arrives at a wait here, whether or
        not it would.
    on_look: observer, called with (queue, whether anybody waits) after a look without the lock.
    on_queued: observer, called with (queue, task) when a task queues itself here.
    on_wake: observer, called with (queue, key, how many exclusive waiters to wake, those that were) after a wake.
    on_asleep: observer, called with (queue, task, whether its last step was to queue itself here) when a task gives up
        the processor here.
    """

    __slots__ = (
        "_active",
        "_dequeue",
        "_enqueue",
        "_sleep",
        "_wake",
        "entries",
        "on_asleep",
        "on_look",
        "on_queued",
        "on_sleep",
        "on_wake",
    )
    GUARDED: tuple[str, ...] = ("entries",)
    TRACKED = True

    _enqueue: Point
    _dequeue: Point
    _active: Point
    _wake: Point
    _sleep: Point

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.entries: list[WaitEntry] = []
        self.on_sleep: Callable[[WaitQueueHead, Task], None] | None = None
        self.on_asleep: Callable[[WaitQueueHead, Task, bool], None] | None = None
        self.on_look: Callable[[WaitQueueHead, bool], None] | None = None
        self.on_queued: Callable[[WaitQueueHead, Task], None] | None = None
        self.on_wake: Callable[[WaitQueueHead, Hashable, int, list[Task]], None] | None = None

    if not TYPE_CHECKING:
        # A type checker would take any name for a Point.
        def __getattr__(self, name: str) -> Point:
            """One of its Points, built when it is first asked for: of a table's thousands of queues tasks see few."""
            described = _POINTS.get(name)
            if described is None:
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
            point = self.point(*described)
            setattr(self, name, point)
            return point

    @types.coroutine
    def prepare_to_wait(self, entry: WaitEntry, state: TaskState) -> Generator[Point, None, None]:
        """Queue the entry unless it is queued, and set the task's state."""
        if not self.world.goes_on(self._enqueue):
            yield self._enqueue
        self._add(entry)
        entry.task.state = state

    @types.coroutine
    def prepare_to_wait_event(self, entry: WaitEntry, state: TaskState) -> Generator[Point, None, int]:
        """As prepare_to_wait; with a signal pending that interrupts `state` it dequeues and returns -ERESTARTSYS."""
        if not self.world.goes_on(self._enqueue):
            yield self._enqueue
        task = entry.task
        if task.signal_pending(state):
            self._remove(entry)
            self.log.append(-ERESTARTSYS)
            return -ERESTARTSYS
        self._add(entry)
        task.state = state
        self.log.append(0)
        return 0

    @types.coroutine
    def finish_wait(self, entry: WaitEntry) -> Generator[Point, None, None]:
        """Set the task running and take the entry off the queue."""
        if not self.world.goes_on(self._dequeue):
            yield self._dequeue
        entry.task.state = TaskState.RUNNING
        self._remove(entry)

    @types.coroutine
    def active(self) -> Generator[Point, None, bool]:
        """waitqueue_active: whether anybody waits here, for whatever key; without the queue's lock."""
        if not self.world.goes_on(self._active):
            yield self._active
        active = bool(self.entries)
        if self.on_look is not None:
            self.on_look(self, active)
        self.log.append(active)
        return active

    @types.coroutine
    def wake(self, key: Hashable = None, nr_exclusive: int = 1) -> Generator[Point, None, None]:
        """__wake_up: wake the matching waiters, but at most `nr_exclusive` exclusive ones (0: all of them).

        Woken entries leave the queue (autoremove_wake_function). A waiter that is awake already stays queued and
        does not count.
        """
        if not self.world.goes_on(self._wake):
            yield self._wake
        woken: list[Task] = []
        for entry in list(self.entries):
            if key is not None and entry.key is not None and entry.key != key:
                continue
            if not self.world.wake(entry.task):
                continue
            self._remove(entry)
            if entry.exclusive:
                woken.append(entry.task)
                if len(woken) == nr_exclusive:
                    break
        if self.on_wake is not None:
            self.on_wake(self, key, nr_exclusive, woken)

    @types.coroutine
    def schedule(self) -> Generator[Point, None, None]:
        """Give up the processor until woken, or go on at once if the state is RUNNING or a signal is pending."""
        me = self.world.current
        self.might_sleep(me)
        if me.state is not TaskState.RUNNING and not me.signal_pending(me.state):
            me.asleep = True
            if self.on_asleep is not None:
                self.on_asleep(self, me, self._has_just_queued())
            self.world.block(me, self)
        yield self._sleep
        me.state = TaskState.RUNNING

    def might_sleep(self, task: Task) -> None:
        """A task arrives at what may sleep here (might_sleep)."""
        if (task.atomic or task.irq_depth) and self.on_sleep is not None:
            self.on_sleep(self, task)

    def _has_just_queued(self) -> bool:
        """Whether the current task has made no step since it queued itself here."""
        last = next((each for each in reversed(self.log) if isinstance(each, Point)), None)
        return last is self._enqueue

    def _add(self, entry: WaitEntry) -> None:
        if entry.queued:
            return
        entry.queued = True
        if self.clean:
            self.touch()
        if entry.exclusive:
            self.entries.append(entry)
        else:
            self.entries.insert(0, entry)
        if self.on_queued is not None:
            self.on_queued(self, entry.task)

    def _remove(self, entry: WaitEntry) -> None:
        if entry.queued:
            entry.queued = False
            self.entries.remove(entry)

    def state(self) -> Hashable:
        return tuple((entry.task.index, entry.key, entry.exclusive) for entry in self.entries)

    def restore(self, state: Any) -> None:
        assert state == (), "a world is sealed with nobody asleep"
        self.entries.clear()


_POINTS = {
    "_enqueue": (Access.UPDATE, "prepare_to_wait"),
    "_dequeue": (Access.UPDATE, "finish_wait"),
    "_active": (Access.READ, "active"),
    "_wake": (Access.WAKE, "wake"),
    "_sleep": (Access.SLEEP, "schedule"),
}


class WaitTable:
    """A fixed number of queues shared by all keys; keys of one bucket meet in one queue."""

    __slots__ = ("heads",)

    def __init__(self, world: World, name: str, buckets: int) -> None:
        self.heads = [WaitQueueHead(world, f"{name}[{i}]") for i in range(buckets)]

    def bucket(self, address: int) -> WaitQueueHead:
        """The queue for an address (hash_ptr; any spread will do, and this one is easy to collide)."""
        return self.heads[address % len(self.heads)]


async def wait_event(
    queue: WaitQueueHead,
    entry: WaitEntry,
    condition: Callable[[], Awaitable[bool]],
    state: TaskState,
    command: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Sleep until the condition holds (___wait_event): 0, or -ERESTARTSYS after a signal. A true condition wins.

    command: runs in place of schedule, to drop locks while asleep; it calls ``queue.schedule`` itself.
    """
    queue.might_sleep(entry.task)
    entry.condition = condition
    while True:
        interrupted = await queue.prepare_to_wait_event(entry, state)
        if await condition():
            break
        if interrupted:
            return interrupted
        if command is None:
            await queue.schedule()
        else:
            await command()
    await queue.finish_wait(entry)
    return 0


async def wait_var_event(
    table: WaitTable,
    address: int,
    condition: Callable[[], Awaitable[bool]],
    state: TaskState,
    command: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """___wait_var_event: wait_event on the bucket of a variable's address, not exclusive."""
    queue = table.bucket(address)
    return await wait_event(queue, WaitEntry(queue.world.current, address), condition, state, command)


async def wake_up_var(table: WaitTable, address: int) -> None:
    """wake_up_var: wake all waiters for the variable, after a look without the lock whether there are any."""
    queue = table.bucket(address)
    if await queue.active():
        await queue.wake(address)


class Completion(WaitQueueHead):
    """complete and wait_for_completion: a count of events and the queue of those who wait for one.

    The step that consumes an event is wide: what the event allows to be freed, its task may free as part of it.
    """

    __slots__ = ("_consume", "done")
    GUARDED = ("done", "entries")

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.done = 0
        self._consume = self.point(Access.UPDATE, "wait_for_completion", wide=True)

    def complete(self) -> None:
        """One more event, and wake one waiter, as part of the current step (a put that drains a reference).

        That step's Point names this object in `also`.
        """
        self.done += 1
        if self.clean:
            self.touch()
        for entry in list(self.entries):
            if self.world.wake(entry.task):
                self._remove(entry)
                break

    async def wait(self) -> None:
        """Sleep uninterruptibly until there is an event, and consume it."""
        entry = WaitEntry(self.world.current, exclusive=True)
        self.might_sleep(entry.task)
        while not await self._try_consume(entry):
            await self.schedule()

    @types.coroutine
    def _try_consume(self, entry: WaitEntry) -> Generator[Point, None, bool]:
        yield self._consume
        available = self.done > 0
        self.log.append(available)
        if available:
            self.done -= 1
            if self.clean:
                self.touch()
            self._remove(entry)
        else:
            self._add(entry)
            entry.task.state = TaskState.UNINTERRUPTIBLE
        return available

    def state(self) -> Hashable:
        return self.done, super().state()

    def restore(self, state: Any) -> None:
        self.done, entries = state
        super().restore(entries)
