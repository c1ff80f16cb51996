"""Runs an execution again and notes who does what, and what comes of it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from daxfuzz.program.user_space import UserSpace
from daxfuzz.search import Decorator, Replay
from daxfuzz.search.order import Occurrences
from daxfuzz.sim import Execution, Label, Point
from daxfuzz.sim.trace import function_of
from daxfuzz.triage.trace.changes import changes
from daxfuzz.triage.trace.clocks import Clocks
from daxfuzz.triage.trace.names import Names, shown_value
from daxfuzz.triage.trace.places import stack_of
from daxfuzz.triage.trace.states import group_of, state_of
from daxfuzz.triage.trace.step import Place, Step, TaskView, Trace
from daxfuzz.triage.trace.views import view_of

if TYPE_CHECKING:
    from daxfuzz.sim import Scheduler, Shared, Task, World
    from daxfuzz.triage.bench import Bench


def trace_of(bench: Bench, execution: Execution) -> Trace:
    """An execution, which is run again for it."""
    watcher = _Watcher(Replay(execution.turns), bench)
    on_end = bench.sim.world.on_end
    # Before the oracles' hooks, which may raise. What raises in the middle of a step leaves it to the last line.
    on_end.insert(0, watcher.finish_step)
    try:
        bench.stepper.run(watcher, limit=len(execution.turns))
    finally:
        on_end.remove(watcher.finish_step)
    watcher.finish_step(closed=True)
    return watcher.trace()


class _Moment(NamedTuple):
    """What there is to compare before and after a step. views: of the tasks, by index; ended: their indices."""

    states: tuple[Hashable, ...]
    freed: tuple[bool, ...]
    views: tuple[TaskView, ...]
    ended: tuple[int, ...]


class _Begun(NamedTuple):
    """What is known of a step before it is taken."""

    task: Task
    point: Point
    call: str
    function: str
    label: Label
    stack: tuple[Place, ...]
    before: _Moment


class _Watcher(Decorator):
    """Notes who is about to do what before each turn, and after it what has changed."""

    def __init__(self, inner: Scheduler, bench: Bench) -> None:
        super().__init__(inner)
        self._calls = {name: [str(call) for call in calls] for name, calls in bench.program.tasks.items()}
        self._names = Names(bench)
        self._begun: _Begun | None = None

    def new_execution(self, world: World) -> None:
        self._world = world
        self._steps: list[Step] = []
        self._begun_calls = dict.fromkeys(self._calls, 0)
        self._clocks = Clocks(len(world.tasks))
        self._occurrences = Occurrences()
        self._moment: _Moment | None = None
        super().new_execution(world)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        self.finish_step()
        assert self._moment is not None
        chosen = super().next_task(enabled, current)
        task = self._world.tasks[chosen]
        assert task.point is not None
        if isinstance(task.point.object, UserSpace):
            self._begun_calls[task.name] += 1
        function = self._names.function(function_of(task.frames()))
        label = self._occurrences.next_label(task)
        self._occurrences.take(task)
        stack = self._moment.views[chosen].stack
        begun = self._begun_calls[task.name]
        call = self._calls[task.name][begun - 1] if begun else ""
        self._begun = _Begun(task, task.point, call, function, label, stack, self._moment)
        return chosen

    def finish_step(self, closed: bool = False) -> None:
        """Complete the step that was begun last, if there is one. closed: the tasks are gone already."""
        if self._moment is None:
            self._begin()
        if self._begun is None:
            return
        task, point, call, function, label, stack, before = self._begun
        self._begun = None
        after = self._moment = self._look(before.views, None if closed else task)
        log = self._world.log
        name = self._names.of(point.object)
        changed = self._changes(before, after)
        step = Step(
            turn=len(self._steps),
            task=task.name,
            call=call,
            function=function,
            access=point.verb,
            object=name,
            value="" if not log or isinstance(log[-1], Point) else shown_value(log[-1]),
            # What happens to the object of the step comes before what follows from it.
            changed=tuple(sorted(changed, key=lambda change: not change.startswith(f"{name} "))),
            label=label,
            stack=stack,
            clock=self._clocks.step(task.index, point),
            woken=self._no_longer("asleep", before, after, task),
            released=self._no_longer("blocked", before, after, task),
            state=dict(self._differences(before, after)),
            tasks={
                each.name: now
                for each, was, now in zip(self._world.tasks, before.views, after.views, strict=True)
                if was != now
            },
        )
        self._steps.append(step)

    def trace(self) -> Trace:
        """All that was noted."""
        tasks = {task.name: view for task, view in zip(self._world.tasks, self._first.views, strict=True)}
        return Trace(self._state, self._groups, self._objects, tasks, tuple(self._steps))

    def _begin(self) -> None:
        """The state before the first step."""
        self._first = self._moment = self._look((), None)
        self._shown = [
            dict(state_of(obj, state, self._names))
            for obj, state in zip(self._world.objects, self._first.states, strict=True)
        ]
        self._groups: dict[str, str] = {}
        self._objects: dict[str, str] = {}
        for obj, values in zip(self._world.objects, self._shown, strict=True):
            self._note(obj, values)
        self._state = {name: value for values in self._shown for name, value in values.items()}

    def _note(self, obj: Shared, values: Iterable[str]) -> None:
        """Remember what the values belong to."""
        for name in values:
            self._groups.setdefault(name, group_of(obj, name))
            self._objects.setdefault(name, self._names.of(obj))

    def _look(self, views: Sequence[TaskView], moved: Task | None) -> _Moment:
        """Everything as it is now. views: as it was, if this is not the first look; moved: whose stack has changed."""
        world = self._world
        return _Moment(
            world.shared_state(),
            tuple(obj.FREED for obj in world.objects),
            tuple(
                view_of(
                    task,
                    self._calls[task.name],
                    self._begun_calls[task.name],
                    views[task.index].stack if views and task is not moved else stack_of(task, self._names),
                    self._names,
                )
                for task in world.tasks
            ),
            tuple(world.ended),
        )

    def _differences(self, before: _Moment, after: _Moment) -> Iterator[tuple[str, str | None]]:
        """The values that are different now, by name."""
        objects = self._world.objects
        for i, obj in enumerate(objects):
            if before.states[i] == after.states[i] and before.freed[i] == after.freed[i]:
                continue
            old, new = self._shown[i], dict(state_of(obj, after.states[i], self._names))
            self._shown[i] = new
            self._note(obj, new)
            yield from ((name, None) for name in old if name not in new)
            yield from ((name, value) for name, value in new.items() if old.get(name) != value)

    def _no_longer(self, state: str, before: _Moment, after: _Moment, me: Task) -> tuple[str, ...]:
        """The other tasks that were in a state and are no longer."""
        return tuple(
            task.name
            for task, was, now in zip(self._world.tasks, before.views, after.views, strict=True)
            if task is not me and was.state == state != now.state
        )

    def _changes(self, before: _Moment, after: _Moment) -> Iterator[str]:
        """What is different now, in words."""
        for obj, old, new in zip(self._world.objects, before.states, after.states, strict=True):
            if old != new:
                yield from changes(obj, old, new, self._names)
        for task, was, now in zip(self._world.tasks, before.views, after.views, strict=True):
            if (was.state == "asleep") != (now.state == "asleep"):
                yield f"{task.name} {'sleeps' if now.state == 'asleep' else 'is woken'}"
            elif was.state != now.state == "blocked":
                yield f"{task.name} is blocked"
            if task.index in after.ended and task.index not in before.ended:
                yield f"{task.name} ends"
