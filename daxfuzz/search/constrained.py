"""Every interleaving of a program that keeps some ordering constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from daxfuzz.search.bounds import UNBOUNDED, Bounds
from daxfuzz.search.exhaustive import Exhaustive, Node
from daxfuzz.search.footprint import Footprint
from daxfuzz.search.order import place_of
from daxfuzz.search.state_key import Effect, StateKey, Undo
from daxfuzz.search.verdict import Verdict
from daxfuzz.sim import Constraint, Label, Point, Task, Violation, World

Progress = tuple[int, ...]
"""How often each place that a constraint names has been taken, and at the end whether anything else was shown."""

ELSEWHERE = -1
"""Where a task is that no constraint names."""


class OrderedKey(StateKey):
    """A state together with how far constraints have been kept; who would break one is not enabled.

    free: the tasks that could run if there were no constraints.
    """

    def __init__(self, world: World, constraints: Iterable[Constraint]) -> None:
        """constraints: between tasks of the world, which have names of their own."""
        self._constraints = tuple(constraints)
        labels = [label for each in self._constraints for label in (each.before, each.after)]
        self._verbs = frozenset(label.verb for label in labels)
        self._numbers: dict[tuple[str, str, str], int] = {}
        for label in labels:
            self._numbers.setdefault((label.task, label.function, label.verb), len(self._numbers))
        self._holding = [(self._wanted(each.after), self._wanted(each.before)) for each in self._constraints]
        self._where: dict[int, int] = {}
        self._allowed: dict[tuple[Progress, tuple[int, ...], tuple[int, ...]], tuple[int, ...]] = {}
        self._digests: dict[Progress, int] = {}
        self._way: list[Progress] = []
        self._progress: Progress = ()
        super().__init__(world)

    def _wanted(self, label: Label) -> tuple[int, int]:
        """The number of a label's place, and which time it is."""
        return self._numbers[label.task, label.function, label.verb], label.occurrence

    def begin(self) -> None:
        super().begin()
        self._way = []
        self._progress = (0,) * (len(self._numbers) + 1)
        self.key ^= self._digest(self._progress)
        for task in self.world.tasks:
            self._locate(task)

    def step(self, task: Task, point: Point, operation: int, values: list[Any]) -> Undo:
        before = self._tasks[task.index]
        undo = super().step(task, point, operation, values)
        self._locate(task)
        self._move(self._taken(before))
        return undo

    def apply(self, effect: Effect) -> Undo:
        before = self._tasks[effect.mover]
        undo = super().apply(effect)
        self._move(self._taken(before))
        return undo

    def undo(self, undo: Undo) -> None:
        super().undo(undo)
        then = self._way.pop()
        self.key ^= self._digest(self._progress) ^ self._digest(then)
        self._progress = then

    def after(self, effect: Effect) -> int:
        then = self._taken(self._tasks[effect.mover])
        return super().after(effect) ^ self._digest(self._progress) ^ self._digest(then)

    def stain(self) -> None:
        """Something was shown on the way here that does not end an execution; the state is another one by that."""
        stained = (*self._progress[:-1], 1)
        self.key ^= self._digest(self._progress) ^ self._digest(stained)
        self._progress = stained

    @property
    def stained(self) -> bool:
        """Whether something was."""
        return bool(self._progress[-1])

    @property
    def free(self) -> tuple[int, ...]:
        return super().enabled

    @property
    def enabled(self) -> tuple[int, ...]:
        free = self.free
        places = tuple([self._where.get(self._tasks[task], ELSEWHERE) for task in free])
        known = (self._progress, free, places)
        found = self._allowed.get(known)
        if found is None:
            found = tuple([task for task, place in zip(free, places, strict=True) if not self._held_back(place)])
            self._allowed[known] = found
        return found

    def _held_back(self, place: int) -> bool:
        """Whether a constraint is not kept if a task takes its step now."""
        if place == ELSEWHERE:
            return False
        label = (place, self._progress[place] + 1)
        return any(after == label and self._progress[before[0]] < before[1] for after, before in self._holding)

    def _locate(self, task: Task) -> None:
        """Note where a task is parked in fact. What it knows says so when it is only thought to be there."""
        if task.point is None or task.point.verb not in self._verbs:
            return
        known = self._tasks[task.index]
        if known not in self._where:
            function, verb = place_of(task)
            self._where[known] = self._numbers.get((task.name, function, verb), ELSEWHERE)

    def _taken(self, known: int) -> Progress:
        """The progress when a task that knows this has taken its step."""
        place = self._where.get(known, ELSEWHERE)
        if place == ELSEWHERE:
            return self._progress
        progress = self._progress
        return (*progress[:place], progress[place] + 1, *progress[place + 1 :])

    def _move(self, then: Progress) -> None:
        self._way.append(self._progress)
        if then is not self._progress:
            self.key ^= self._digest(self._progress) ^ self._digest(then)
            self._progress = then

    def _digest(self, progress: Progress) -> int:
        found = self._digests.get(progress)
        if found is None:
            found = self._digests[progress] = self.encoder.digest("order", progress)
        return found


class Constrained(Exhaustive):
    """Goes through the interleavings in which no constraint is broken, until one does not show what all should.

    A constraint is kept as long as its `after` is not taken before its `before`, as for
    :class:`~daxfuzz.search.order.OrderReplay`; an execution in which everybody who could go on is held back is none
    that keeps them. Executions end at the first violation that is wanted, also where that would not stop them.

    ways: how many interleavings keep the constraints. Where tasks can go round in a loop it counts some of those
        that do not, and says nothing of the others (Verdict.cycles).
    impossible: states in which nobody could go on because of constraints.
    clean: turns of an execution that shows nothing; other: of one that shows something else; None if there is none.
    """

    def __init__(
        self,
        world: World,
        constraints: Iterable[Constraint],
        wanted: Callable[[Violation], bool],
        bounds: Bounds = UNBOUNDED,
        on_progress: Callable[[Verdict], None] | None = None,
    ) -> None:
        """constraints: between tasks that have names of their own. wanted: what each execution should show."""
        self.constraints = tuple(constraints)
        self.wanted = wanted
        self.ways = 0
        self.impossible = 0
        self.clean: tuple[int, ...] | None = None
        self.other: tuple[int, ...] | None = None
        self._shown: list[Violation] = []
        self._known_ways: dict[int, int] = {}
        self._sums: list[int] = []
        super().__init__(world, bounds, on_progress=on_progress)

    def _state_key(self) -> OrderedKey:
        self._ordered = OrderedKey(self.world, self.constraints)
        return self._ordered

    def _pass(self, started: float) -> bool:
        self.impossible = 0
        self._known_ways = {}
        self._sums = [0]
        ended = super()._pass(started)
        self.ways = self._sums[0]
        return ended

    def _stops(self) -> bool:
        return self.clean is not None

    def _take_turn(self, index: int) -> tuple[Undo, Footprint]:
        self._shown.clear()
        undo, footprint = super()._take_turn(index)
        if self._shown:
            for each in self._shown:
                if self.wanted(each):
                    self._key.undo(undo)
                    raise each
            self._ordered.stain()
        return undo, footprint

    def _report(self, violation: Violation) -> None:
        super()._report(violation)
        self._shown.append(violation)

    def _failed(self, task: int, footprint: Footprint) -> None:
        self._sums[-1] += 1
        if not self.wanted(self._shown[-1]):
            self.other = self.other or tuple(self._turns)

    def _rest(self) -> None:
        if self._ordered.free:
            self.impossible += 1
            return
        self._shown.clear()
        super()._rest()
        shown = [*self._shown, *self.world.deferred[self._deferred :]]
        self._known_ways[self._key.key] = 1
        if any(self.wanted(each) for each in shown):
            return
        if shown or self._ordered.stained:
            self.other = self.other or tuple(self._turns)
        else:
            self.clean = self.clean or tuple(self._turns)

    def _leads_back(self, effect: Effect) -> bool:
        back = super()._leads_back(effect)
        if back:
            self._sums[-1] += self._known_ways.get(self._key.after(effect), 0)
        return back

    def _arrive(self, node: Node, weight: float) -> bool:
        more = super()._arrive(node, weight)
        if more:
            self._sums.append(0)
        else:
            self._sums[-1] += self._known_ways.get(node.key, 0)
        return more

    def _leave(self, node: Node) -> None:
        ways = self._sums.pop()
        self._known_ways[node.key] = ways
        self._sums[-1] += ways
