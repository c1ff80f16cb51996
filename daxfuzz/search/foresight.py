"""What a step does, known from the same step taken elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from daxfuzz.search.footprint import CALLS
from daxfuzz.sim import Atomic, Cell, Lock, Shared, WaitQueueHead

if TYPE_CHECKING:
    from daxfuzz.search.state_key import Effect, StateKey, Undo
    from daxfuzz.sim import Point, World


class Pattern(NamedTuple):
    """What a step depended on, apart from what its task knows and what is decided about all tasks.

    objects: which, by their numbers.
    crowds: objects of which it matters who else is parked there.
    memories: what observers remember, by number.
    calls: whether it matters where the other tasks are.
    """

    objects: tuple[int, ...]
    crowds: tuple[Shared, ...]
    memories: tuple[int, ...]
    calls: bool


class Foresight:
    """Foresees what steps do from what others did that were taken.

    A task that knows the same, with every task as runnable and asleep as then, and with all at which it looked then in
    the same state, does the same, whatever the rest of the world is like. There are far fewer such situations than
    states: most steps of a search need not be taken, and the program need not be run again to get where they are taken
    from.

    A step looks at what its Point declares, at the lock at which its task arrives after it, and, where observers are
    called, at what they look at and remember (the recording mode of the world). At most objects it also looks who else
    is parked there; not so at variables and queues.

    A task may also arrive at an object that is freed; so that counts, too, from when one is freed for the first time.
    Then all that was learned before is forgotten.

    Not foreseen are steps that are wide; while a signal is pending, which a task may meet anywhere; and at objects with
    an observer that the world does not know of.
    """

    def __init__(self, world: World, key: StateKey, strict: bool = False) -> None:
        """strict: it matters to observers in which order tasks take locks."""
        self._world = world
        self._key = key
        self._strict = strict
        self._effects: dict[int, Effect] = {}
        self._patterns: dict[int, list[Pattern]] = {}
        self._salts: dict[tuple[int, Any], int] = {}
        self._strange: dict[Shared, bool] = {}
        self._owners: dict[int, int] = {}
        self._common = len(world.memories)
        self._freeable: set[Shared] = set()

    def effect(self, task: int) -> Effect | None:
        """What a task's next step will do, None if that is not known."""
        key = self._key
        known = key.task(task)
        patterns = self._patterns.get(known)
        if patterns is None:
            return None
        objects = key.objects
        for pattern in patterns:
            situation = known ^ key.decided
            for number in pattern.objects:
                situation ^= objects[number]
            if pattern.crowds or pattern.memories or pattern.calls:
                situation ^= self._circumstances(task, pattern, key.remembers)
            effect = self._effects.get(situation)
            if effect is not None:
                return effect
        return None

    def learn(self, point: Point, undo: Undo, effect: Effect) -> None:
        """A step was taken at a point. undo: what leads back."""
        key = self._key
        index, known, _, decided, remembers, _, replaced = undo
        for number, _ in effect.remembered:
            self._owners[number] = index if self._owners.get(number, index) == index else -1
        if point.wide or key.signalled(decided) or key.signalled(effect.decided):
            return
        touched = dict.fromkeys([point.object, *[other for other, _ in point.also]])
        looked = self._world.looked
        seen = [thing for thing in looked if isinstance(thing, Shared)]
        after = key.point(index)
        arrived = [after.object] if after is not None and self._arrives(after.object) else []
        if any(self._is_strange(obj) for obj in (*touched, *arrived)):
            return
        before = dict(replaced)
        numbers = dict.fromkeys([*[key.number_of(obj) for obj in (*touched, *arrived, *seen)], *before])
        crowds = tuple([obj for obj in touched if not isinstance(obj, (Cell, Atomic, WaitQueueHead))])
        memories: tuple[int, ...] = ()
        if (
            self._world.observed
            or effect.remembered
            or (self._strict and any(isinstance(obj, Lock) for obj in touched))
        ):
            changed = {number for number, _ in effect.remembered}
            memories = tuple([each for each in range(len(remembers)) if each in changed or self._matters(each, index)])
        pattern = Pattern(tuple(numbers), crowds, memories, CALLS in looked)
        situation = known ^ decided ^ self._circumstances(index, pattern, remembers)
        for number in numbers:
            situation ^= before.get(number, key.objects[number])
        self._effects[situation] = effect
        patterns = self._patterns.setdefault(known, [])
        if pattern not in patterns:
            patterns.append(pattern)

    def notice_freed(self) -> None:
        """A step was taken that may have freed something."""
        freed = [obj for obj, _ in self._world.freed if obj not in self._freeable]
        if freed:
            self._freeable.update(freed)
            self._effects.clear()
            self._patterns.clear()

    def _arrives(self, obj: Shared) -> bool:
        """Whether it matters to whoever comes to an object in which state it is."""
        return obj.ARRIVAL or obj in self._freeable

    def _circumstances(self, task: int, pattern: Pattern, remembers: tuple[int, ...]) -> int:
        """A digest of what a pattern names beside objects."""
        found = 0
        for number in pattern.memories:
            found ^= remembers[number]
        places = self._key.places
        for other, place in enumerate(places):
            if other == task:
                continue
            point = self._key.point(other)
            if pattern.calls or (point is not None and point.object in pattern.crowds):
                salt = self._salts.get((other, place))
                if salt is None:
                    salt = self._salts[other, place] = self._key.encoder.digest("there", other, place)
                found ^= salt
        return found

    def _matters(self, memory: int, task: int) -> bool:
        """Whether a task's step may depend on what observers remember there: what they look at, or of it alone."""
        if memory < self._common:
            return self._strict or self._key.memories[memory] in self._world.looked
        return self._owners.get(memory, task) in (task, -1)

    def _is_strange(self, obj: Shared) -> bool:
        """Whether somebody observes an object of whom the world does not know."""
        found = self._strange.get(obj)
        if found is None:
            slots = [slot for cls in type(obj).__mro__ for slot in getattr(cls, "__slots__", ())]
            known = {slot for where, slot in self._world.hooks if where is obj}
            found = self._strange[obj] = any(
                slot.startswith(("on_", "watch")) and slot not in known and getattr(obj, slot) is not None
                for slot in slots
            )
        return found
