"""The whole state of a world as a number of 128 bits, kept up to date step by step."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

from daxfuzz.search.encoding import Encoder
from daxfuzz.search.footprint import Footprint
from daxfuzz.search.forgetful import CALL
from daxfuzz.sim import Access, RwSemaphore, Signals

if TYPE_CHECKING:
    from daxfuzz.sim import Point, Shared, Task, World

Place = tuple[int, int]

ENDED: Place = (-1, -1)

Past = tuple[int, Any]
"""A digest of what a task knows, and of what it did when each of its calls began, as nested pairs."""

Undo = tuple[int, int, Past, int, tuple[int, ...], tuple[Place, ...], tuple[tuple[int, int], ...]]
"""What a step has replaced: the task and what its digest was, those of scheduling and observers, places, objects."""

NOTHING: frozenset[Any] = frozenset()


class Effect(NamedTuple):
    """What a step makes of a state, in digests.

    mover: the task.
    delta: of the whole key.
    task: what is known of the task after it; past: what led to that.
    point: a number for where the task is then, -1 after its end.
    forgets: whether the task has forgotten all that was before (Task.live).
    decided: what others decide about tasks.
    remembered: what observers remember; objects: those that have another state then; both by their numbers.
    footprint: what it touched.
    """

    mover: int
    delta: int
    task: int
    past: Past
    point: int
    forgets: bool
    decided: int
    remembered: tuple[tuple[int, int], ...]
    objects: tuple[tuple[int, int], ...]
    footprint: Footprint


def waits_on(point: Point, then: Point | None) -> bool:
    """Whether a step has only begun an access that goes on at another Point, of which it then makes no difference."""
    return (
        then is not None
        and then.object is point.object
        and isinstance(then.object, RwSemaphore)
        and (point.access is Access.LOCK and then.access is Access.LOCK and then.verb == "wait")
    )


class StateKey:
    """What a program does from here on is a function of its state. Equal keys mean equal states.

    The key is the exclusive or of digests: one for each shared object, with what :meth:`~daxfuzz.sim.Shared.state`
    says; one for each task, with where it is parked and what its accesses have returned since it last forgot (see
    Task.live and :class:`~daxfuzz.search.forgetful.Forgetful`), or ever, which says what is in its local variables
    without a look at them; one for what others decide about tasks (who can run, sleeps, has a signal); and one for what
    observers remember (World.memories), without which an oracle could tell later which way a state was reached.

    A digest of all values returned tells apart more states than there are: two values may be as good as one.
    Coroutine frames would tell apart fewer: a value on the operand stack, or where an iterator is, is not in them.

    A step changes the objects that its Point declares, or any if it is wide. Passengers it may change in any case, and
    what observers remember if one is called: the recording mode of the world tells.

    key: of the present state; decided, remembers: of what others decide about tasks, and of what observers remember.
    changed: the objects that have another state since the last step.
    memories: the names of what observers remember; remembered: which of these are others since the last step.
    places: per task how often it has forgotten, and a number for the Point that it is parked at; ENDED after its end.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.encoder = Encoder()
        self._index = {obj: number for number, obj in enumerate(world.objects)}
        self._points: dict[Point, int] = {}
        self._known: list[dict[Hashable, int]] = [{} for _ in world.objects]
        self._parked_at: list[Point] = []
        self._scheduling: dict[Hashable, int] = {}
        self._decisions: dict[int, tuple[tuple[int, ...], bool]] = {}
        self.memories = (*world.memories, *world.own_memories)
        self._recall = [*world.memories.values(), *world.own_memories.values()]
        self._memory: list[dict[bytes, int]] = [{} for _ in self.memories]
        # A task forgets its signal in any step.
        self._signals = [obj for obj in world.objects if isinstance(obj, Signals)]
        self._looked = world.looked
        self._touched: dict[Point, tuple[Shared, ...]] = {}
        self.begin()

    def begin(self) -> None:
        """The state is that of a world which has just started; also at the beginning, for those that have not."""
        world = self.world
        self.objects = [self._contribution(number, obj) for number, obj in enumerate(world.objects)]
        self._pasts: list[Past] = [(self.encoder.digest("task", task.index), ()) for task in world.tasks]
        for task in world.tasks:
            if task.notes:
                self._pasts[task.index] = self._after_notes(task, self._pasts[task.index])
        self._tasks = [self._task(task) for task in world.tasks]
        self.decided = self._scheduling_now()
        self.remembers = self._memory_now()
        self.changed: frozenset[Shared] = frozenset()
        self.remembered: tuple[str, ...] = ()
        self.places = tuple([ENDED if task.point is None else (0, self._number(task.point)) for task in world.tasks])
        self.key = self.decided
        for each in (*self.objects, *self._tasks, *self.remembers):
            self.key ^= each

    def step(self, task: Task, point: Point, operation: int, values: list[Any]) -> Undo:
        """The task has taken its step at a point, and its access has returned these values (one, or none).

        operation: of the task before.
        """
        index = task.index
        objects = self.objects
        places = self.places
        replaced = []
        key = 0
        touched = self._touched.get(point) or self._touched_by(point)
        if self._looked:
            touched = (*touched, *[obj for obj in self._looked if not isinstance(obj, str) and obj.PASSENGER])
        for obj in touched:
            number = self._index[obj]
            old, new = objects[number], self._contribution(number, obj)
            if old != new:
                replaced.append((number, old))
                objects[number] = new
                key ^= old ^ new
        before, past = self._tasks[index], self._pasts[index]
        stage = places[index][0]
        if task.live is not None:
            stage += 1
            self._pasts[index] = self.encoder.digest("live", index, task.live), ()
            task.live = None
            task.notes.clear()
        elif not (waits_on(point, task.point)):
            digest, calls = past
            self._pasts[index] = self.encoder.digest("past", digest, values, int(task.signal)), calls
            if task.notes:
                self._pasts[index] = self._after_notes(task, self._pasts[index])
        after = self._task(task)
        place = ENDED if task.point is None else (stage, self._number(task.point))
        self.places = (*places[:index], place, *places[index + 1 :])
        self._tasks[index] = after
        undo = (index, before, past, self.decided, self.remembers, places, tuple(replaced))
        self.decided = self._scheduling_now()
        self.remembered = ()
        key ^= undo[3] ^ self.decided
        if self.world.observed or task.operation != operation:
            self.remembers = self._memory_now()
        if self.remembers is not undo[4]:
            for old, new, name in zip(undo[4], self.remembers, self.memories, strict=True):
                if old != new:
                    key ^= old ^ new
                    self.remembered += (name,)
        self.changed = frozenset([self.world.objects[number] for number, _ in replaced]) if replaced else NOTHING
        self.key ^= key ^ before ^ after
        return undo

    def undo(self, undo: Undo) -> None:
        """Back to the state before a step, the last one that was not undone."""
        index, before, self._pasts[index], decided, remembered, self.places, replaced = undo
        key = before ^ self._tasks[index] ^ decided ^ self.decided
        for old, new in zip(remembered, self.remembers, strict=True):
            key ^= old ^ new
        self._tasks[index] = before
        self.decided = decided
        self.remembers = remembered
        for number, old in replaced:
            key ^= old ^ self.objects[number]
            self.objects[number] = old
        self.key ^= key

    def _after_notes(self, task: Task, past: Past) -> Past:
        """What a task knows after calls that have begun and ended in its last step."""
        digest, calls = past
        for note in task.notes:
            if note is CALL:
                calls = (digest, calls)
                digest = self.encoder.digest("call", digest)
            else:
                before, calls = calls
                if note is not None:
                    digest = self.encoder.digest("return", before, note)
        task.notes.clear()
        return digest, calls

    def _task(self, task: Task) -> int:
        """A digest of a task."""
        return self.encoder.digest("at", self._pasts[task.index][0], *self._place(task))

    def task(self, index: int) -> int:
        """A digest of what a task is about to do, and of all that it knows."""
        return self._tasks[index]

    def signalled(self, decided: int) -> bool:
        """Whether a signal is pending for any task."""
        return self._decisions[decided][1]

    @property
    def enabled(self) -> tuple[int, ...]:
        """The tasks that can run."""
        return self._decisions[self.decided][0]

    def point(self, task: int) -> Point | None:
        """Where a task is parked."""
        place = self.places[task]
        return None if place == ENDED else self._parked_at[place[1]]

    def number_of(self, obj: Shared) -> int:
        """Which object of the world it is."""
        return self._index[obj]

    def effect(self, undo: Undo, footprint: Footprint) -> Effect:
        """What the last step has done, which this would undo."""
        index, before, _, decided, remembered, places, replaced = undo
        delta = before ^ self._tasks[index] ^ decided ^ self.decided
        memories = []
        if remembered is not self.remembers:
            for number, (old, new) in enumerate(zip(remembered, self.remembers, strict=True)):
                if old != new:
                    delta ^= old ^ new
                    memories.append((number, new))
        for number, old in replaced:
            delta ^= old ^ self.objects[number]
        objects = tuple([(number, self.objects[number]) for number, _ in replaced])
        task, (stage, point) = self._tasks[index], self.places[index]
        forgets = stage > places[index][0]
        past = self._pasts[index]
        return Effect(index, delta, task, past, point, forgets, self.decided, tuple(memories), objects, footprint)

    def after(self, effect: Effect) -> int:
        """The key after a step with this effect."""
        return self.key ^ effect.delta

    def apply(self, effect: Effect) -> Undo:
        """A step has this effect, as it is known without taking it."""
        index = effect.mover
        places = self.places
        objects = self.objects
        replaced = tuple([(number, objects[number]) for number, _ in effect.objects])
        undo = (index, self._tasks[index], self._pasts[index], self.decided, self.remembers, places, replaced)
        for number, new in effect.objects:
            objects[number] = new
        self._tasks[index] = effect.task
        self._pasts[index] = effect.past
        self.decided = effect.decided
        if effect.remembered:
            remembers = list(self.remembers)
            for number, new in effect.remembered:
                remembers[number] = new
            self.remembers = tuple(remembers)
        place = ENDED if effect.point < 0 else (places[index][0] + effect.forgets, effect.point)
        self.places = (*places[:index], place, *places[index + 1 :])
        self.changed = NOTHING
        self.remembered = ()
        self.key ^= effect.delta
        return undo

    def shared(self) -> int:
        """A digest of the shared objects alone."""
        key = 0
        for each in self.objects:
            key ^= each
        return key

    def _touched_by(self, point: Point) -> tuple[Shared, ...]:
        """The objects that a step at a point may change."""
        if point.wide:
            touched = tuple(self.world.objects)
        else:
            touched = tuple(dict.fromkeys((point.object, *(obj for obj, _ in point.also), *self._signals)))
        self._touched[point] = touched
        return touched

    def _contribution(self, number: int, obj: Shared) -> int:
        """The digest of an object in its present state."""
        state = obj.state()
        known = self._known[number]
        kind = type(state)
        # Numbers and truth values would meet in one dict.
        form: Hashable = state if kind is int else (kind, state) if kind is bool else self.encoder.encode(state)
        if obj.FREED:
            form = ("freed", form)
        found = known.get(form)
        if found is None:
            found = known[form] = self.encoder.digest("object", number, obj.FREED, state)
        return found

    def _place(self, task: Task) -> tuple[Any, ...]:
        """Where a task is parked, and what it has with it that only itself changes."""
        point = task.point
        place = -1 if point is None else self._number(point)
        held = [self._index[lock] for lock in task.held]
        subclasses = [(self._index[lock], subclass) for lock, subclass in task.subclasses.items()]
        return place, task.operation, held, subclasses, task.atomic, task.irq_depth, task.killable

    def _scheduling_now(self) -> int:
        """What others decide about tasks, and what a signal to them comes upon."""
        form = tuple(
            [
                (task.runnable, task.asleep, task.state, task.signal, task.killable, task.point is None)
                for task in self.world.tasks
            ]
        )
        found = self._scheduling.get(form)
        if found is None:
            plain = [tuple(map(int, each)) for each in form]
            found = self._scheduling[form] = self.encoder.digest("scheduling", plain)
            enabled = tuple([task.index for task in self.world.tasks if task.runnable])
            self._decisions[found] = enabled, any(task.signal for task in self.world.tasks)
        return found

    def _memory_now(self) -> tuple[int, ...]:
        """What observers remember."""
        found = []
        for name, known, recall in zip(self.memories, self._memory, self._recall, strict=True):
            form = self.encoder.encode(recall())
            number = known.get(form)
            if number is None:
                number = known[form] = self.encoder.digest("memory", name, form)
            found.append(number)
        return tuple(found)

    def _number(self, point: Point) -> int:
        """A number for a Point."""
        number = self._points.get(point)
        if number is None:
            number = self._points[point] = len(self._parked_at)
            self._parked_at.append(point)
        return number
