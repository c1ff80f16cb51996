"""Dynamic partial order reduction: one execution for each order of the steps that clash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from daxfuzz.search.bounds import UNBOUNDED, Bounds
from daxfuzz.search.exhaustive import Exhaustive, Node, Reduction
from daxfuzz.search.footprint import ANY, WRITE, Footprint, clash
from daxfuzz.sim import World


@dataclass(frozen=True, slots=True)
class Event:
    """A step of the present execution.

    clock: per task, how many steps of the execution, counted from its beginning, it takes to have all of that task's
        that come before this one in every order; its own included.
    """

    task: int
    footprint: Footprint
    clock: tuple[int, ...]


class Dpor(Exhaustive):
    """Source-DPOR with sleep sets (Abdulla, Aronsson, Jonsson, Sagonas, POPL 2014), without a visited set.

    Each execution adds to what is to be run at its states: where two steps clash, and the later task could have gone
    first, some task that begins a way to the other order. Sleep sets keep any order from being run to its end twice.
    Keeping states as well would be unsound: what leads on from a state that was seen before would add nothing to the
    states on the way there.

    Deviations, all of which run more: every clashing step before is looked at rather than the immediate ones only,
    since a release hides the acquisition before it; where the later task was blocked, all others are run (Flanagan and
    Godefroid, POPL 2005); at the end, tasks that are stuck are taken to go on; and a step that fails clashes with all.
    """

    def __init__(self, world: World, *arguments: Any, **options: Any) -> None:
        """As Exhaustive; `reduction` and `visited` are not for the caller."""
        super().__init__(world, *arguments, **(options | {"reduction": Reduction.SLEEP, "visited": False}))
        self._events: list[Event] = []

    def _select(self, node: Node) -> list[int]:
        """One task to begin with; which more are to be run at a state turns out later."""
        awake = [task for task in node.order() if task not in node.asleep]
        node.backtrack = set(awake[-1:])
        return awake[-1:]

    def _stepped(self, task: int, footprint: Footprint) -> None:
        """A step has been taken from the last node."""
        del self._events[len(self._turns) - 1 :]
        clock = self._races(task, footprint)
        own = [*clock]
        own[task] = len(self._events) + 1
        self._events.append(Event(task, footprint, tuple(own)))

    def _failed(self, task: int, footprint: Footprint) -> None:
        """A step has failed: it may not do so after any other step."""
        del self._events[len(self._turns) - 1 :]
        self._races(task, footprint)
        self._add(self._nodes[-1], self._nodes[-1].enabled)

    def _rest(self) -> None:
        super()._rest()
        del self._events[len(self._turns) :]
        for task in self.world.tasks:
            if task.point is not None:
                assert self._footprints is not None
                footprint = dict(self._footprints.declared(task.point))
                if self.world.hooks:
                    footprint[ANY] = WRITE
                self._races(task.index, footprint)

    def _races(self, task: int, footprint: Footprint) -> list[int]:
        """See that each clash of a task's next step with earlier ones is run in the other order, too.

        Returns what comes before the step.
        """
        events = self._events
        before = next((event.clock for event in reversed(events) if event.task == task), None)
        past = [*(before or [0] * len(self.world.tasks))]
        clock = [*past]
        clashing = []
        for number in range(len(events) - 1, -1, -1):
            event = events[number]
            if event.task == task or number < past[event.task] or not clash(footprint, event.footprint):
                continue
            clashing.append(number)
            clock = [max(one, other) for one, other in zip(clock, event.clock, strict=True)]
        for number in clashing:
            self._reverse(number, task, clock)
        return clock

    def _reverse(self, number: int, task: int, clock: list[int]) -> None:
        """Have some task run at a state that begins a way on which a task is ahead of the step taken there."""
        node = self._nodes[number]
        if task not in node.enabled:
            self._add(node, node.enabled)
            return
        events = self._events
        first = events[number].task
        rest = [later for later in range(number + 1, len(events)) if events[later].clock[first] <= number]
        initials: list[int] = []
        seen: set[int] = set()
        for position, later in enumerate(rest):
            event = events[later]
            if event.task not in seen:
                seen.add(event.task)
                if not any(earlier < event.clock[events[earlier].task] for earlier in rest[:position]):
                    initials.append(event.task)
        if task not in seen and not any(earlier < clock[events[earlier].task] for earlier in rest):
            initials.append(task)
        if not node.backtrack.intersection(initials):
            self._add(node, (task if task in initials else initials[0],))

    def _add(self, node: Node, tasks: tuple[int, ...]) -> None:
        """Have tasks run at a state, apart from those that were and those asleep."""
        for task in tasks:
            if task not in node.backtrack:
                node.backtrack.add(task)
                if task not in node.asleep:
                    node.todo.insert(0, task)


def make_search(
    world: World, bounds: Bounds = UNBOUNDED, reduction: Reduction = Reduction.NONE, **options: Any
) -> Exhaustive:
    """An exhaustive search with a reduction; options as for Exhaustive. Raises ValueError as that does."""
    if reduction is Reduction.DPOR:
        return Dpor(world, bounds, **options)
    return Exhaustive(world, bounds, reduction=reduction, **options)
