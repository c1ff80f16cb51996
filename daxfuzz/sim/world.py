"""A world: the shared objects and tasks of one program, ready to be run again and again."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any

from daxfuzz.sim.apart import take_apart
from daxfuzz.sim.checking import UndeclaredAccess
from daxfuzz.sim.freed import freed_class
from daxfuzz.sim.locks import Lock
from daxfuzz.sim.task import Actor, Signal, Task, TaskState
from daxfuzz.sim.trace import running_function
from daxfuzz.sim.violation import Violation

if TYPE_CHECKING:
    from daxfuzz.sim.point import Point
    from daxfuzz.sim.shared import Shared


class World:
    """Holds everything that an execution changes.

    enabled: indices of the tasks that can take a turn, ascending; kept up to date by the primitives.
    checked: whether it is in the checking mode.
    ahead: how many more turns the current task is known to have after this one. A primitive may take one of them
        itself, with a note in the log, instead of parking its task for it. A host sets it; 0 with each change of
        `enabled`.
    unused: turns that such a change has taken off `ahead`.
    turns: index of the task of each turn so far. The host adds a run of turns at its end.
    dirty: tracked objects that are not in their sealed state.
    nested: pairs of locks of which the second was taken while the first was the last one held, with the first task
        that did so, in order; not those that a task has taken while it held a lock with a subclass.
    current: the task whose turn it is.
    log: per step its Point, followed by the value that the access returned, if it returned one.
    hooks: (object, slot) of each observer, as far as they say so.
    memories: what observers remember of an execution, if it can matter later: by a name functions that return it as
        data. A method of an Observer, or a partial of one, tells what that one remembers; another function, what all
        observers may look at.
    own_memories: the same, where it changes in steps of one task and is looked at only in steps of that task, apart
        from steps in which an observer says so (look).
    tellers: observers that say themselves which memories of their Observer they look at or change: the function that
        is called, and one that returns the names as of now.
    revised: set by an observer that did not remember enough so far: a search that relied on it begins again.
    recording: whether it is in the recording mode (record_looks).
    observed: in that mode, set when an observer is called.
    looking, looked: in that mode, whether whoever looks at an object is noted, and at which it was.
    on_end: called when no task can go on any more or the limit is reached (`enabled` tells which), before the
        coroutines are closed; may raise Violation.
    on_signal: how a signal reaches its task; the host sets it.
    deferred: violations that do not end an execution (a warning goes on); reported if nothing graver comes.
    """

    __slots__ = (
        "_sealed",
        "_untracked",
        "ahead",
        "checked",
        "current",
        "deferred",
        "dirty",
        "enabled",
        "ended",
        "freed",
        "hooks",
        "log",
        "looked",
        "looking",
        "memories",
        "nested",
        "objects",
        "observed",
        "on_end",
        "on_reset",
        "on_signal",
        "own_memories",
        "recording",
        "revised",
        "tasks",
        "tellers",
        "turns",
        "unused",
    )

    current: Task

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.objects: list[Shared] = []
        self.tasks: list[Task] = []
        self.enabled: list[int] = []
        self.ahead = 0
        self.unused = 0
        self.checked = False
        self.recording = False
        self.observed = False
        self.looking = False
        self.looked: set[Shared | str] = set()
        self.turns: list[int] = []
        self.dirty: list[Shared] = []
        self.nested: list[tuple[Lock, Lock, Task]] = []
        self.ended: list[int] = []
        self.deferred: list[Violation] = []
        self.freed: list[tuple[Shared, type[Shared]]] = []
        self.own_memories: dict[str, Callable[[], Hashable]] = {}
        self.hooks: list[tuple[Any, str]] = []
        self.revised = False
        self.memories: dict[str, Callable[[], Hashable]] = {}
        self.tellers: list[tuple[Callable[..., None], Callable[[], Iterable[str]]]] = []
        self.on_reset: list[Callable[[], None]] = []
        self.on_end: list[Callable[[], None]] = []
        self.on_signal: Callable[[Task, Signal], None] = self.deliver
        self._sealed = False
        self._untracked: list[Shared] = []

    def adopt(self, obj: Shared) -> None:
        """Take a new object in; called by its constructor. All objects exist before :meth:`seal`."""
        if self._sealed:
            raise RuntimeError(f"{obj.name}: objects are created before the world is sealed")
        self.objects.append(obj)

    def spawn(self, name: str, actor: Actor) -> Task:
        """Add a task that runs the coroutine which `actor()` returns."""
        task = Task(len(self.tasks), name, actor)
        self.tasks.append(task)
        return task

    def take_apart(self) -> None:
        """Free the memory of all objects and tasks at once; nothing of the world is of use afterwards."""
        for each in (*self.objects, *self.tasks):
            take_apart(each)
        take_apart(self)

    def seal(self) -> World:
        """Take the present state as the one in which every execution starts; returns self."""
        for obj in self.objects:
            obj.sealed = obj.state()
            obj.clean = True
        self.dirty.clear()
        self._untracked = [obj for obj in self.objects if not obj.TRACKED]
        self._sealed = True
        return self

    def reset(self) -> None:
        """Put everything back to the sealed state and make fresh coroutines.

        The cost goes by what the last execution has touched, apart from objects that are not tracked. Raises
        RuntimeError if the world was not sealed.
        """
        if not self._sealed:
            raise RuntimeError("a world is sealed before it runs")
        if self.freed:
            for obj, cls in self.freed:
                object.__setattr__(obj, "__class__", cls)
            self.freed.clear()
        for obj in self._untracked:
            obj.restore(obj.sealed)
        for obj in self.dirty:
            obj.clean = True
            obj.restore(obj.sealed)
        self.dirty.clear()
        for _, lock, _ in self.nested:
            lock.outer.clear()
        self.nested.clear()
        self.log.clear()
        self.enabled.clear()
        self.ended.clear()
        self.deferred.clear()
        for task in self.tasks:
            task.reset()
            task.coroutine = task.actor()
            task.send = task.coroutine.send
        for hook in self.on_reset:
            hook()

    def close(self) -> None:
        """Drop the coroutines, also of tasks that never started."""
        for task in self.tasks:
            if task.coroutine is not None:
                task.coroutine.close()
            # What a lock knows is who holds it and who is parked in front of it, so it need not say when it changes.
            for lock in task.held:
                if lock.clean:
                    lock.touch()
            if task.point is not None and isinstance(task.point.object, Lock) and task.point.object.clean:
                task.point.object.touch()

    def shared_state(self) -> tuple[Hashable, ...]:
        """The states of all objects, in order of creation."""
        return tuple(obj.state() for obj in self.objects)

    def goes_on(self, point: Point) -> bool:
        """Whether the current task has its next turn already: taken then, and noted in the log. Else it parks."""
        if not self.ahead:
            return False
        self.ahead -= 1
        self.log.append(point)
        return True

    def enable(self, task: Task) -> None:
        """The task can take a turn from now on."""
        if not task.runnable:
            task.runnable = True
            task.blocked_on = None
            self.unused += self.ahead
            self.ahead = 0
            insort(self.enabled, task.index)

    def block(self, task: Task, on: Shared | None) -> None:
        """The task cannot go on before `on` lets it; `on` is for the reader of a hang."""
        task.blocked_on = on
        if task.runnable:
            task.runnable = False
            self.unused += self.ahead
            self.ahead = 0
            self.enabled.remove(task.index)

    def finish(self, task: Task) -> None:
        """The task's coroutine has returned."""
        task.point = None
        self.ended.append(task.index)
        self.block(task, None)

    def signal(self, task: Task, signal: Signal) -> None:
        """Send a signal as the current task. A signal to a task that has ended has no effect."""
        if task.point is not None:
            self.on_signal(task, signal)

    def deliver(self, task: Task, signal: Signal) -> None:
        """Mark the signal pending and wake a sleep that it interrupts (Linux: signal_wake_up_state)."""
        task.signal = max(task.signal, signal)
        if task.signal_pending(task.state):
            self.wake(task)
        elif task.killable and signal is Signal.FATAL:
            self.enable(task)

    def wake(self, task: Task) -> bool:
        """Linux's try_to_wake_up: False if the task was not asleep and not about to sleep."""
        if task.state is TaskState.RUNNING:
            return False
        task.state = TaskState.RUNNING
        if task.asleep:
            task.asleep = False
            self.enable(task)
        return True

    def free(self, obj: Shared) -> None:
        """The object is gone: until the next reset every access to it is a use-after-free.

        Part of a step that is wide, since it touches what it does not name; the checking mode insists.
        """
        point = self.current.point
        if self.checked and (point is None or not point.wide):
            raise UndeclaredAccess(f"{obj.name} is freed, but {point!r} is declared, which is not wide")
        self.freed.append((obj, type(obj)))
        object.__setattr__(obj, "__class__", freed_class(type(obj)))

    def look(self, *things: str) -> None:
        """An observer looks at what is no object: a memory, or the calls that tasks are in ("calls")."""
        if self.looking:
            self.looked.update(things)

    def defer(self, violation: Violation) -> None:
        """Note a violation of the current step that does not stop the program."""
        violation.function = violation.function or running_function()
        self.deferred.append(violation)
