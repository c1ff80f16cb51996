"""The uniform random walk, and the one that is uniform over selected accesses only."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from daxfuzz.search.pos import NOT_DRAWN
from daxfuzz.search.profile import Profile, touches
from daxfuzz.search.random_walk import RandomWalk
from daxfuzz.search.replay import NEVER
from daxfuzz.sim import Scheduler

if TYPE_CHECKING:
    from daxfuzz.sim import Point, Shared, Task, World


class Weighted(Scheduler):
    """What schedulers share that weigh tasks by counts from a profile.

    If the profile does not know the program yet, the execution is a random walk that it notes: a profiling run, which
    counts as an execution like any other. One suffices.

    A task that another one creates (:attr:`Profile.births`) has its weight counted with that one's until then.

    profiling: whether the present execution is a profiling run.
    """

    def __init__(self, rng: random.Random, profile: Profile | None = None) -> None:
        self.profile = Profile() if profile is None else profile
        self.profiling = False
        self._rng = rng
        self._walk = RandomWalk(rng)
        self._weights: list[int] = []
        self._unborn: list[int] = []

    def new_execution(self, world: World) -> None:
        self.profiling = self.profile.begin(world)
        if self.profiling:
            self._walk.new_execution(world)
            return
        self._unborn = list(self.profile.births)
        self.new_sample(world)

    def new_sample(self, world: World) -> None:
        """A fresh execution begins that is no profiling run."""
        raise NotImplementedError

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        assert self.next_run is not None
        return self.next_run(enabled, current)[0]

    def _profile(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        chosen = self._walk.next_task(enabled, current)
        self.profile.note(enabled, current, chosen)
        return chosen, 1

    def _deliver(self, enabled: Sequence[int]) -> list[tuple[int, int]]:
        """Take the weights of tasks that can run for the first time from those that create them; returns the pairs
        of both, parents first."""
        births = self.profile.births
        born = [(births[task], task) for task in self._unborn if task in enabled]
        for parent, child in born:
            self._unborn.remove(child)
            self._weights[parent] -= self._weights[child]
        return born


class UniformWalk(Weighted):
    """The uniform random walk: a task is as likely to be next as its share in the steps that are left.

    Zhao, Wolff, Mathur, Roychoudhury, "Selectively Uniform Concurrency Testing" (ASPLOS 2025), algorithm 1, URW. Of
    tasks with r_1 .. r_n steps left, task i is next with a probability of r_i / (r_1 + .. + r_n): the share of the
    interleavings that begin with it. So all interleavings are equally likely if tasks do not block and take as many
    steps as they did in the profiling run. The steps of a thread that is yet to be created count for the one that
    creates it.

    Deviations from the paper:

    - A task that has taken more steps than it did in the profiling run counts as having one left.
    - A task that waits, for a lock or a wake-up, is out of the draw, and its steps count for nobody. With blocking the
      interleavings are not equally likely, there as here.

    rng: source of all choices.
    profile: of the program, to be shared by several schedulers; default: one of its own, filled by its first
        execution of each world.
    """

    def __init__(self, rng: random.Random, profile: Profile | None = None) -> None:
        super().__init__(rng, profile)
        self._draw = rng.random
        self._turns: list[int] = []
        self._accounted = 0

    def new_sample(self, world: World) -> None:
        self._turns = world.turns
        self._accounted = len(world.turns)
        self._weights = self.profile.subtrees(self.profile.turns)

    def next_run(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        if self.profiling:
            return self._profile(enabled, current)
        weights = self._weights
        taken = len(self._turns)
        if taken != self._accounted:
            weights[current] -= taken - self._accounted
            self._accounted = taken
        if self._unborn:
            self._deliver(enabled)
        if len(enabled) == 1:
            return enabled[0], NEVER
        total = 0
        for task in enabled:
            weight = weights[task]
            if weight < 1:
                weight = weights[task] = 1
            total += weight
        left = self._draw() * total
        for task in enabled:
            left -= weights[task]
            if left < 0:
                return task, 1
        return enabled[-1], 1


class SURW(Weighted):
    """The selectively uniform random walk: uniform over the orders of the accesses to one object.

    Zhao, Wolff, Mathur, Roychoudhury, "Selectively Uniform Concurrency Testing" (ASPLOS 2025), algorithm 2. Each
    execution has a set of interesting steps: here those that access one object, drawn from the objects on which tasks
    conflicted in the profiling run, all equally likely. One task is *intended* to make the next interesting step, and
    is drawn by the shares of interesting steps that are left, as in :class:`UniformWalk`. Any task may run, but one
    that gets to an interesting step and is not intended is held there until that step is taken. Among the tasks that
    are not held the highest random priority runs, drawn for each step anew, as in the paper's artifact. So the orders
    of the interesting steps are equally likely, and all orders of the others remain possible.

    Deviations from the paper:

    - The intended task is drawn when a task first gets to an interesting step, not right after the last such step. It
      is drawn from the tasks that can run then, and drawn again when all that can run are held: the paper has tasks
      that are always enabled, its artifact does the same with others.
    - A task that is at an interesting step with none left by the counts has one.
    - Steps that touch what they cannot name (`wide`) are interesting for the objects that they name only.
    - Objects, not addresses: a lock is one like any other.

    rng, profile: as for :class:`UniformWalk`.
    target: the object of the present execution; None in a profiling run, and if no object is contended.
    """

    def __init__(self, rng: random.Random, profile: Profile | None = None) -> None:
        super().__init__(rng, profile)
        self.target: Shared | None = None
        self._draw = rng.random
        self._tasks: list[Task] = []
        self._ended: list[int] = []
        self._priority: list[float] = []
        self._held: list[int] = []
        self._intended = NOBODY

    def new_execution(self, world: World) -> None:
        self.target = None
        super().new_execution(world)

    def new_sample(self, world: World) -> None:
        count = len(world.tasks)
        self._tasks = world.tasks
        self._ended = world.ended
        self._priority = [NOT_DRAWN] * count
        self._held = []
        self._intended = NOBODY
        objects = self.profile.shared()
        if objects:
            self.target = objects[int(self._draw() * len(objects))]
            self._weights = self.profile.subtrees(self.profile.accesses(self.target))
        else:
            self._weights = [0] * count

    def next_run(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        if self.profiling:
            return self._profile(enabled, current)
        if self._unborn:
            self._pass_on(enabled)
        alone = len(enabled) == 1
        if alone and len(self._ended) == len(self._tasks) - 1:
            # Nobody is left whom it could matter to what this task does.
            return enabled[0], NEVER
        while True:
            chosen = enabled[0] if alone else self._first(enabled)
            if chosen == NOBODY:
                self._held = []
                self._intended = self._pick(enabled)
                continue
            point = self._tasks[chosen].point
            assert point is not None
            if point.object is self.target or (point.also and self._interesting(point)):
                if not alone:
                    if self._intended == NOBODY:
                        self._intended = self._pick(enabled)
                    if self._intended != chosen:
                        self._held.append(chosen)
                        continue
                self._weights[chosen] -= 1
                self._intended = NOBODY
                self._held = []
            self._priority[chosen] = NOT_DRAWN
            return chosen, 1

    def _first(self, enabled: Sequence[int]) -> int:
        """The task with the highest priority of those that are not held; NOBODY if all are."""
        priority = self._priority
        held = self._held
        chosen = NOBODY
        highest = NOT_DRAWN
        for task in enabled:
            own = priority[task]
            if own < 0:
                own = priority[task] = self._draw()
            if own > highest and task not in held:
                highest = own
                chosen = task
        return chosen

    def _pick(self, enabled: Sequence[int]) -> int:
        """Who is to make the next interesting step. At least one of `enabled` is about to."""
        weights = self._weights
        for task in enabled:
            if weights[task] < 1:
                weights[task] = int(self._interesting(self._tasks[task].point))
        left = self._draw() * sum(weights[task] for task in enabled)
        for task in enabled:
            left -= weights[task]
            if left < 0:
                return task
        return next(task for task in reversed(enabled) if weights[task])

    def _pass_on(self, enabled: Sequence[int]) -> None:
        """Give tasks that have just been created their weights, and what was intended of them to them."""
        before = list(self._weights)
        for parent, child in self._deliver(enabled):
            if self._intended == parent and self._draw() * before[parent] < before[child]:
                self._intended = child
            before[parent] -= before[child]

    def _interesting(self, point: Point | None) -> bool:
        return self.target is not None and point is not None and touches(point, self.target)


NOBODY = -1
"""Stands for a task where there is none."""
