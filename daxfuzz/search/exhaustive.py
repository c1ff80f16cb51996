"""Every interleaving of a program."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random

from daxfuzz.search.bounds import UNBOUNDED, Bounds
from daxfuzz.search.footprint import Footprint, Footprints, clash
from daxfuzz.search.foresight import Foresight
from daxfuzz.search.reach import Reach
from daxfuzz.search.state_key import ENDED, Effect, Place, StateKey, Undo
from daxfuzz.search.verdict import Found, Verdict
from daxfuzz.search.visited import Visited
from daxfuzz.sim import Stepper, Violation, World, record_looks
from daxfuzz.sim.trace import failing_function

PROGRESS_EVERY = 64
"""Executions between two reports."""

SPINS = 32
"""How many cycles are kept."""

QUIET_SAMPLES = 8
"""Random executions that teach nothing new about what tasks touch, after which the search begins."""

MOST_SAMPLES = 100
"""Random executions after which it begins in any case."""

NOBODY = -1
"""Who ran before the first step."""

ROOT = -1
"""Number of the first node."""

NO_FOOTPRINT: Footprint = {}


class Reduction(Enum):
    """What a search leaves out.

    NONE: nothing. SLEEP: with sleep sets, transitions. PERSISTENT: with persistent and sleep sets, also states.
    DPOR: executions that differ in the order of independent steps alone, without keeping states (Dpor).
    """

    NONE = "none"
    SLEEP = "sleep"
    PERSISTENT = "persistent"
    DPOR = "dpor"


class Node:
    """A state on the way that the search is on.

    enabled: the tasks that can run; current: the one that ran last.
    preemptions: of the way here.
    todo: tasks whose step is to be taken, the next one last.
    backtrack: with dynamic partial order reduction, all tasks whose step was, is, or need not be taken.
    asleep: tasks whose step need not be taken, since what it leads to has been seen, with what it touches.
    alone: the task whose step may be all that there is to take.
    number: of the node in the tree of all of them.
    cycle: whether the way has been here before.
    undo: what leads back to the state before.
    weight: share of the tree that each choice has.
    """

    __slots__ = (
        "alone",
        "asleep",
        "backtrack",
        "current",
        "cycle",
        "enabled",
        "key",
        "number",
        "preemptions",
        "todo",
        "undo",
        "weight",
    )

    def __init__(
        self,
        key: int,
        enabled: tuple[int, ...],
        current: int = NOBODY,
        preemptions: int = 0,
        undo: Undo | None = None,
        asleep: dict[int, Footprint] | None = None,
    ) -> None:
        self.key = key
        self.enabled = enabled
        self.current = current
        self.preemptions = preemptions
        self.undo = undo
        self.asleep = asleep or {}
        self.todo: list[int] = []
        self.backtrack: set[int] = set()
        self.alone = NOBODY
        self.number = ROOT
        self.cycle = False
        self.weight = 0.0

    def preempts(self, task: int) -> bool:
        """Whether the task would run in place of one that could go on."""
        return task != self.current and self.current in self.enabled

    def order(self) -> list[int]:
        """The enabled tasks, whoever ran last at the end."""
        others = [task for task in reversed(self.enabled) if task != self.current]
        return [*others, self.current] if self.current in self.enabled else others


@dataclass(frozen=True, slots=True)
class Guess:
    """Where one task's step was taken to be all that there is to take.

    number: of the node. footprint: of the step. places: of all tasks before it. left: the tasks that were left out.
    """

    number: int
    task: int
    footprint: Footprint
    places: tuple[Place, ...]
    left: tuple[int, ...]


class Exhaustive(Stepper):
    """Goes through every interleaving of a sealed world, depth first, by executing again what leads to a choice.

    With `visited` a way ends where a state has been seen before (:class:`~daxfuzz.search.state_key.StateKey` says what
    makes two states one).

    With `foresight`, too, no step is taken of which it is known what it does, and the program is run again only for one
    of which it is not, or to look at a state at rest (:class:`~daxfuzz.search.foresight.Foresight`).

    Reduction.SLEEP leaves out steps that lead where a step taken before leads, too (sleep sets: Godefroid, LNCS 1032,
    1996). Together with a visited set a state keeps the tasks that were asleep when it was seen; if it is seen again
    and one of these is awake, that one's step is taken (section 5.3 there; without this, states are lost). Every state
    is still seen, and each step from it or one that leads to the same and shows the same. What clashes is known from
    having taken both steps, so that observers count (:mod:`~daxfuzz.search.footprint`).

    Reduction.PERSISTENT also leaves out all tasks but one, where that one's step clashes with nothing that any other
    may do from then on (a persistent set of one: chapter 4 there). What tasks may do is learned: first from random
    executions, then from the search itself (:class:`~daxfuzz.search.reach.Reach`). In the end it goes back to where it
    has left out a task that clashes after all, as long as there are such states. What it has left out then is nothing:
    take the shortest way in the program to a step that touches something unknown. Where the search has gone on with one
    task alone, that one's step clashes with none before the last one of the way, which are known. So it can come first,
    and what is left is a way to such a step from a state that the search has seen, no longer than before; and the
    search does not go around in a cycle of such steps, as it leaves out nobody where one leads back to its own way. In
    the end it has to take that step itself. Final states and findings are all kept, other states are not.

    Either needs the recording mode where there are observers, and the world stays in it. Neither is for use with a
    bound on preemptions or steps: of two orders only one may be within it.

    A state that comes again on its own way is a cycle: some schedule could go around for ever. It is no error in
    itself, since a fair scheduler may never do so. One of each sort is kept for the caller to look into.

    coverage is the weighted backtrack estimator (Kilby, Slaney, Thiebaux, Walsh, AAAI 2006, after Knuth 1975): each
    way that is done counts as the product of 1 / choices along it. States seen before cut later subtrees shorter than
    earlier ones, so that what is left is estimated too high rather than too low.
    """

    def __init__(
        self,
        world: World,
        bounds: Bounds = UNBOUNDED,
        *,
        reduction: Reduction = Reduction.NONE,
        visited: bool = True,
        foresight: bool = True,
        stop: bool | str = False,
        on_progress: Callable[[Verdict], None] | None = None,
    ) -> None:
        """visited, foresight: see above; the second has no effect without the first.

        reduction: not DPOR, which is for make_search. stop: end at the first finding, or the first of a kind.

        Raises ValueError for bounds that do not go with the reduction.
        """
        super().__init__(world)
        reduces = reduction is not Reduction.NONE
        if reduces and (bounds.preemptions is not None or bounds.steps is not None):
            raise ValueError("a bound on preemptions or steps needs a search without reduction")
        self.bounds = bounds
        self.stop = stop
        self.on_progress = on_progress
        self.verdict = Verdict()
        if world.hooks or any(obj.PASSENGER for obj in world.objects):
            record_looks(world)
        self._footprints = Footprints(world) if reduces else None
        self._reach = Reach(len(world.tasks)) if reduction is Reduction.PERSISTENT else None
        self._use_visited = visited
        self._key = self._state_key()
        self._foresight = Foresight(world, self._key) if foresight and visited else None
        self._seen: set[tuple[str, str, str]] = set()
        self._failing = NO_FOOTPRINT

    def _state_key(self) -> StateKey:
        """What tells states apart."""
        return StateKey(self.world)

    def search(self) -> Verdict:
        """Run all executions. Raises whatever the program raises other than Violation."""
        verdict = self.verdict
        started = time.monotonic()
        try:
            if self._reach is not None:
                self._sample(self._reach)
            while not self._pass(started):
                pass
            verdict.exhausted = not verdict.bound
        finally:
            self.world.close()
            verdict.seconds = time.monotonic() - started
        return verdict

    def _sample(self, reach: Reach) -> None:
        """Learn from random executions what tasks touch."""
        random = Random(0)
        samples = 0
        quiet = 0
        while quiet < QUIET_SAMPLES and samples < MOST_SAMPLES:
            samples += 1
            quiet += 1
            self._start_again()
            try:
                while self._key.enabled and len(self._turns) < self.bounds.longest():
                    chosen = random.choice(self._key.enabled)
                    places = self._key.places
                    _, footprint = self._step(chosen)
                    if reach.learn(chosen, places[chosen], footprint, self._key.places[chosen]):
                        quiet = 0
            except Violation as found:
                self._report(found)

    def _pass(self, started: float) -> bool:
        """Search from the beginning: whether it got to an end, by itself or by a bound."""
        verdict = self.verdict
        verdict.passes += 1
        verdict.complete = verdict.states = verdict.transitions = verdict.cycles = 0
        verdict.coverage = 0.0
        verdict.bound = ""
        verdict.spins.clear()
        self._spins: set[tuple[tuple[int, ...], tuple[str, ...]]] = set()
        self._visited = Visited(self.bounds) if self._use_visited else None
        self._closed = None if self._visited is None or self._footprints is not None else self._visited.closed()
        self._nodes: list[Node] = []
        self._on_way: set[int] = set()
        self._expected: dict[int, Footprint] = {}
        self._tree: list[tuple[int, int]] = []
        self._guesses: list[Guess] = []
        self._doubtful: list[Guess] = []
        self._learned = False
        if self.world.revised and self._foresight is not None:
            self._foresight = Foresight(self.world, self._key, strict=True)
        self.world.revised = False
        self._start_again()
        self._arrive(Node(self._key.key, self._key.enabled), 1.0)
        ended = ""
        ways = 0
        while not ended:
            self._descend()
            ways += 1
            verdict.seconds = time.monotonic() - started
            if self.world.revised:
                return False
            more = self._backtrack()
            if not more and not self._doubt():
                break
            ended = "finding" if self._stops() else self.bounds.spent(verdict.executions, ways, started)
            if self.on_progress is not None and ways % PROGRESS_EVERY == 0:
                self.on_progress(verdict)
            if not more:
                self._enter(self._doubtful.pop())
        verdict.bound = ended or verdict.bound
        return True

    def _stops(self) -> bool:
        """Whether what was to be found is found."""
        findings = self.verdict.findings
        if isinstance(self.stop, bool):
            return self.stop and bool(findings)
        return any(found.violation.kind == self.stop for found in findings)

    def _start_again(self) -> None:
        """A fresh execution: all tasks are at their first points."""
        self._turns: list[int] = []
        self._run_again()
        self._key.begin()

    def _run_again(self) -> None:
        """Start the tasks, and no more."""
        world = self.world
        self.verdict.executions += 1
        world.close()
        world.turns = []
        world.reset()
        self._start()
        self._deferred = 0

    def _doubt(self) -> bool:
        """Whether there are states where tasks were left out that clash after all."""
        reach = self._reach
        if reach is not None and self._learned and not self._doubtful:
            self._learned = False
            sure: list[Guess] = []
            for guess in self._guesses:
                wrong = reach.clashes(guess.footprint, guess.task, guess.places)
                (self._doubtful if wrong else sure).append(guess)
            self._guesses = sure
        return bool(self._doubtful)

    def _enter(self, guess: Guess) -> None:
        """Go back to a state to run the tasks that were left out there."""
        turns: list[int] = []
        number = guess.number
        while number != ROOT:
            number, task = self._tree[number]
            turns.append(task)
        self._start_again()
        for task in reversed(turns):
            self._step(task)
        node = Node(self._key.key, self._key.enabled, turns[0] if turns else NOBODY)
        node.number = guess.number
        node.asleep = {guess.task: guess.footprint}
        node.todo = list(guess.left)
        self._nodes.append(node)
        self._on_way.add(node.key)

    def _catch_up(self) -> None:
        """Have the world where the search is: steps that were foreseen are taken now, or those up to there again."""
        world = self.world
        turns = self._turns
        if world.turns == turns:
            return
        if world.turns != turns[: len(world.turns)]:
            self._run_again()
        self._play_script(turns[len(world.turns) :], world.turns)
        if world.turns != turns:
            raise RuntimeError("the program does not do the same thing again")
        for task in world.tasks:
            task.live = None
            task.notes.clear()
        self._deferred = len(world.deferred)

    def _backtrack(self) -> bool:
        """Go back to the last node that has something to do; False if there is none."""
        nodes = self._nodes
        while nodes and not nodes[-1].todo:
            node = nodes.pop()
            if not node.cycle:
                self._on_way.discard(node.key)
            self._leave(node)
            if node.undo is not None:
                self._key.undo(node.undo)
                self._turns.pop()
        return bool(nodes)

    def _step(self, index: int) -> tuple[Undo, Footprint]:
        """A task's step, foreseen or taken. Raises as _take_turn does."""
        effect = self._foresight.effect(index) if self._foresight is not None else None
        return self._take_turn(index) if effect is None else self._foreseen(effect)

    def _foreseen(self, effect: Effect) -> tuple[Undo, Footprint]:
        """A task would take a step with a known effect."""
        self._turns.append(effect.mover)
        return self._key.apply(effect), effect.footprint

    def _take_turn(self, index: int) -> tuple[Undo, Footprint]:
        """A task takes its step. Raises Violation, which leaves the key as it was."""
        self._catch_up()
        world = self.world
        log = world.log
        task = world.tasks[index]
        point = task.point
        assert point is not None
        operation = task.operation
        world.current = task
        self._turns.append(index)
        world.turns.append(index)
        log.append(point)
        noted = len(log)
        if world.recording:
            world.looked.clear()
            world.observed = False
            world.looking = point.wide
        try:
            task.point = task.send(None)
        except StopIteration:
            world.finish(task)
        except Violation:
            if self._footprints is not None:
                self._failing = self._footprints.of(point, world.looked, self._key.memories, True)
            raise
        finally:
            world.looking = False
        key = self._key
        undo = key.step(task, point, operation, log[noted:])
        footprint = NO_FOOTPRINT
        if self._footprints is not None:
            elsewhere = bool(world.hooks) and (task.operation != operation or task.point is None)
            footprint = self._footprints.of(point, key.changed, key.remembered, elsewhere)
        if world.freed and self._foresight is not None:
            self._foresight.notice_freed()
        deferred = world.deferred
        if len(deferred) > self._deferred:
            for each in deferred[self._deferred :]:
                self._report(each)
            self._deferred = len(deferred)
        elif self._foresight is not None:
            self._foresight.learn(point, undo, key.effect(undo, footprint))
        return undo, footprint

    def _descend(self) -> None:
        """From the last node on, one execution to its end or to what has been seen."""
        nodes, key, reach = self._nodes, self._key, self._reach
        while nodes and nodes[-1].todo:
            node = nodes[-1]
            chosen = node.todo.pop()
            self.verdict.transitions += 1
            effect = self._foresight.effect(chosen) if self._foresight is not None else None
            if effect is not None and self._leads_back(effect):
                self._done(node.weight)
                continue
            known = key.task(chosen)
            places = key.places
            try:
                undo, footprint = self._foreseen(effect) if effect is not None else self._take_turn(chosen)
            except Violation as found:
                self._report(found)
                self._done(node.weight)
                self._failed(chosen, self._failing)
                self._turns.pop()
                if reach is not None and reach.learn(chosen, places[chosen], self._failing, ENDED):
                    self._learned = True
                return
            self._stepped(chosen, footprint)
            child = Node(key.key, key.enabled, chosen, node.preemptions + node.preempts(chosen), undo)
            if reach is not None:
                self._expected[known] = footprint
                if reach.learn(chosen, places[chosen], footprint, key.places[chosen]):
                    self._learned = True
                if (
                    chosen == node.alone
                    and node.todo
                    and child.key not in self._on_way
                    and not reach.clashes(footprint, chosen, places)
                ):
                    self._done(node.weight * len(node.todo))
                    self._guesses.append(Guess(node.number, chosen, footprint, places, tuple(node.todo)))
                    node.todo = []
            if self._footprints is not None:
                child.asleep = {
                    other: theirs
                    for other, theirs in node.asleep.items()
                    if other != chosen and not clash(theirs, footprint)
                }
                node.asleep[chosen] = footprint
            if reach is not None:
                child.number = len(self._tree)
                self._tree.append((node.number, chosen))
            if not self._arrive(child, node.weight):
                key.undo(undo)
                self._turns.pop()
                return

    def _leads_back(self, effect: Effect) -> bool:
        """Whether there is nothing to do any more where a step with this effect leads; and it is no cycle."""
        if self._closed is None:
            return False
        key = self._key.after(effect)
        return key in self._closed and key not in self._on_way

    def _arrive(self, node: Node, weight: float) -> bool:
        """The world is in a state: whether there is something to do there. If so it is the last node from now on."""
        verdict = self.verdict
        depth = len(self._turns)
        verdict.depth = max(verdict.depth, depth)
        if self._visited is None:
            verdict.states += 1
            node.todo = self._select(node)
        else:
            if node.key in self._on_way:
                node.cycle = True
                self._cycle(node)
            before = len(self._visited)
            node.todo = self._visited.to_do(node, depth)
            verdict.states = len(self._visited)
            if len(self._visited) == before and not node.todo:
                self._done(weight)
                return False
        if not node.enabled:
            self._rest()
        self._cut(node, depth)
        if not node.todo:
            self._done(weight)
            return False
        node.weight = weight / (len(node.todo) if self._visited is not None else len(node.enabled) - len(node.asleep))
        self._nodes.append(node)
        self._on_way.add(node.key)
        if self._reach is not None:
            self._prefer(node, self._reach)
        return True

    def _select(self, node: Node) -> list[int]:
        """The tasks to run at a state, if states are not kept; the next one last."""
        return [task for task in node.order() if task not in node.asleep]

    def _leave(self, node: Node) -> None:
        """A state has nothing left to do; what was before it is the last node again."""

    def _stepped(self, task: int, footprint: Footprint) -> None:
        """A step has been taken from the last node."""

    def _failed(self, task: int, footprint: Footprint) -> None:
        """A step from the last node has ended in a violation."""

    def _prefer(self, node: Node, reach: Reach) -> None:
        """Have a task run first whose step will probably make the others' superfluous."""
        assert self._footprints is not None
        if len(node.todo) < 2:
            return
        for task in reversed(node.todo):
            point = self._key.point(task)
            assert point is not None
            footprint = self._expected.get(self._key.task(task)) or self._footprints.declared(point)
            if not reach.clashes(footprint, task, self._key.places):
                node.alone = task
                node.todo.remove(task)
                node.todo.append(task)
                return

    def _cut(self, node: Node, depth: int) -> None:
        """Leave out what is beyond a bound of one execution."""
        bounds = self.bounds
        if node.todo and depth >= bounds.longest():
            node.todo = []
            self.verdict.bound = "length" if bounds.steps is None else "steps"
        if bounds.preemptions is not None and node.preemptions >= bounds.preemptions:
            allowed = [task for task in node.todo if not node.preempts(task)]
            if len(allowed) < len(node.todo):
                self.verdict.bound = self.verdict.bound or "preemptions"
            node.todo = allowed

    def _rest(self) -> None:
        """Nobody can go on: ask who looks at the end."""
        self._catch_up()
        world = self.world
        verdict = self.verdict
        verdict.complete += 1
        stuck = tuple(task.index for task in world.tasks if task.point is not None)
        verdict.final.add(self._key.encoder.digest("final", str(self._key.shared()), stuck))
        try:
            for hook in world.on_end:
                hook()
        except Violation as found:
            self._report(found)

    def _report(self, violation: Violation) -> None:
        """Keep a violation, if it is the first of its signature."""
        violation.function = violation.function or failing_function(violation, self.world)
        # The traceback would keep the coroutines of the execution alive.
        violation.__traceback__ = None
        found = Found(violation, tuple(self._turns))
        if found.signature not in self._seen:
            self._seen.add(found.signature)
            self.verdict.findings.append(found)

    def _cycle(self, node: Node) -> None:
        """A state is on the way to itself."""
        verdict = self.verdict
        verdict.cycles += 1
        first = next(number for number, each in enumerate(self._nodes) if each.key == node.key)
        running = tuple(sorted(set(self._turns[first:])))
        where = (running, tuple([repr(self._key.point(task)) for task in running]))
        if where not in self._spins and len(self._spins) < SPINS:
            self._spins.add(where)
            verdict.spins.append(tuple(self._turns))

    def _done(self, weight: float) -> None:
        """A share of the tree is done."""
        self.verdict.coverage += weight
