"""Where everything stands in the grid of a page: a row per step, and columns for each task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from daxfuzz.triage.story import Ordered, Story
from daxfuzz.triage.trace import Holding, Step, TaskView, Trace

SHOWN = 400
"""Steps of a page; of longer executions the middle is left out."""

TOP_ROW = 2
"""Of the grid, below the names of tasks."""

LANE_COLUMNS = 3
"""Of each task: its locks, its life line, its steps."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A task. number: from 0; locks: the most that it holds at a time; column: the first of its columns."""

    name: str
    number: int
    locks: int
    column: int

    @property
    def life(self) -> int:
        """The column of its life line."""
        return self.column + 1

    @property
    def text(self) -> int:
        """The column of its steps."""
        return self.column + 2


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasts. kind: "hold", "run", "asleep" or "blocked". title: in words.

    row, end: the first row, and the one behind the last. slot: of a lock, its place among those held at the time.
    """

    kind: str
    lane: Lane
    row: int
    end: int
    title: str
    slot: int = 0
    color: int = 0
    short: str = ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """From a step to the task that gets on because of it."""

    row: int
    source: Lane
    target: Lane
    title: str
    wakes: bool

    @property
    def left(self) -> int:
        """The first column."""
        return min(self.source.life, self.target.life)

    @property
    def right(self) -> int:
        """The column behind the last one."""
        return max(self.source.life, self.target.life) + 1

    @property
    def direction(self) -> str:
        """Where it points."""
        return "to-right" if self.source.life < self.target.life else "to-left"


@dataclass(frozen=True, slots=True)
class Bracket:
    """A constraint whose steps were both taken. number: from 1."""

    number: int
    row: int
    end: int
    title: str


class Grid:
    """Rows and columns of a story."""

    def __init__(self, story: Story) -> None:
        self._story = story
        trace = story.trace
        self.steps, self.left_out = shown_steps(trace)
        self._rows = self._rows_of_turns(len(trace.steps))
        self.end = TOP_ROW + len(self.steps) + bool(self.left_out)
        self.gap = TOP_ROW + SHOWN // 2 if self.left_out else 0
        self.lanes = self._lanes(trace)
        self.marks = TOP_ROW + len(self.lanes) * LANE_COLUMNS
        self.locks = lock_colors(trace)

    def row(self, turn: int) -> int:
        """The row of a turn; of one that is left out, the row that says so."""
        return self._rows[turn]

    def _rows_of_turns(self, turns: int) -> list[int]:
        if not self.left_out:
            return [TOP_ROW + turn for turn in range(turns)]
        half = SHOWN // 2
        return [TOP_ROW + max(min(turn, half), turn - self.left_out + 1) for turn in range(turns)]

    def _lanes(self, trace: Trace) -> dict[str, Lane]:
        held = {name: len(view.holds) for name, view in trace.tasks.items()}
        for step in trace.steps:
            for name, view in step.tasks.items():
                held[name] = max(held[name], len(view.holds))
        return {
            name: Lane(name, number, held[name], TOP_ROW + number * LANE_COLUMNS)
            for number, name in enumerate(trace.tasks)
        }

    def spans(self) -> Iterator[Span]:
        """The locks that tasks hold, and when they run, sleep and are blocked; not within what is left out."""
        return (span for span in self._all_spans() if (span.row, span.end) != (self.gap, self.gap + 1))

    def _all_spans(self) -> Iterator[Span]:
        trace = self._story.trace
        for name, lane in self.lanes.items():
            views = [(trace.steps[0].turn if trace.steps else 0, trace.tasks[name])]
            views += [(step.turn + 1, step.tasks[name]) for step in trace.steps if name in step.tasks]
            yield from self._holds(lane, views)
            yield from self._waits(lane, views)
            yield from self._runs(lane)

    def _from(self, turn: int) -> int:
        """The row of what begins with a turn, which may be that behind the last one."""
        return self._rows[turn] if turn < len(self._rows) else self.end

    def _holds(self, lane: Lane, views: Sequence[tuple[int, TaskView]]) -> Iterator[Span]:
        """From the step that takes a lock to the one that lets it go."""
        open_: dict[Holding, tuple[int, int]] = {}
        for turn, view in [*views, (len(self._rows) + 1, TaskView("ended"))]:
            for holding in [each for each in open_ if each not in view.holds]:
                slot, since = open_.pop(holding)
                # The step that takes it and the one that lets it go have it, too.
                end = min(self._from(turn - 1) + 1, self.end)
                how = "for write" if holding.write else "for read"
                yield Span(
                    "hold",
                    lane,
                    since,
                    end,
                    f"{lane.name} holds {holding.lock}, {how}",
                    slot,
                    self.locks[holding.lock],
                    holding.lock,
                )
            for holding in view.holds:
                if holding not in open_:
                    taken = {slot for slot, _ in open_.values()}
                    slot = next(each for each in range(len(taken) + 1) if each not in taken)
                    open_[holding] = (slot, self._from(max(turn - 1, 0)))

    def _waits(self, lane: Lane, views: Sequence[tuple[int, TaskView]]) -> Iterator[Span]:
        """From the step behind which a task waits to the one that lets it go on."""
        for (turn, view), (until, _) in zip(views, [*views[1:], (len(self._rows) + 1, None)], strict=True):
            if not view.waits_for:
                continue
            verb = "sleeps on" if view.state == "asleep" else "waits for"
            by = f", held by {' and '.join(view.blocked_by)}" if view.blocked_by else ""
            end = min(self._from(min(until - 1, len(self._rows))) + 1, self.end)
            since = min(self._from(turn), self.end - 1)
            if since < end:
                yield Span(view.state, lane, since, end, f"{lane.name} {verb} {view.waits_for}{by}")

    def _runs(self, lane: Lane) -> Iterator[Span]:
        """Where a task has the processor, in one go."""
        since = -1
        steps = self._story.trace.steps
        for step in steps:
            mine = step.task == lane.name
            if mine and since < 0:
                since = step.turn
            last = mine and (step is steps[-1] or steps[step.turn + 1].task != lane.name)
            if last:
                yield Span("run", lane, self.row(since), self.row(step.turn) + 1, f"{lane.name} runs")
                since = -1

    def arrows(self) -> Iterator[Arrow]:
        """Who wakes whom, and who lets whom go on, in steps that are shown."""
        for step in self.steps:
            for wakes, names in ((True, step.woken), (False, step.released)):
                for name in names:
                    verb = "wakes" if wakes else "lets"
                    title = f"{step.task} {verb} {name}" + ("" if wakes else " go on")
                    yield Arrow(self.row(step.turn), self.lanes[step.task], self.lanes[name], title, wakes)

    def brackets(self) -> Iterator[Bracket]:
        """The constraints whose steps were both taken."""
        for number, each in enumerate(self._story.constraints, 1):
            if each.before is not None and each.after is not None and each.before < each.after:
                yield Bracket(number, self.row(each.before), self.row(each.after) + 1, str(each.constraint))


def shown_steps(trace: Trace) -> tuple[Sequence[Step], int]:
    """The steps of a page, and how many are left out in the middle."""
    steps = trace.steps
    if len(steps) <= SHOWN:
        return steps, 0
    return [*steps[: SHOWN // 2], *steps[-SHOWN // 2 :]], len(steps) - SHOWN


def lock_colors(trace: Trace) -> dict[str, int]:
    """A number for each lock that is held at some time."""
    locks = {holding.lock: None for view in trace.tasks.values() for holding in view.holds}
    for step in trace.steps:
        locks.update({holding.lock: None for view in step.tasks.values() for holding in view.holds})
    return {lock: number for number, lock in enumerate(locks)}


def roles_of(step: Step, constraints: Sequence[Ordered]) -> list[tuple[int, str]]:
    """The numbers of the constraints that name a step, from 1, and what each says of it."""
    roles = []
    for number, each in enumerate(constraints, 1):
        if each.before == step.turn:
            roles.append((number, f"{each.constraint.before} has to come before {each.constraint.after}"))
        if each.after == step.turn:
            roles.append((number, f"{each.constraint.after} has to come after {each.constraint.before}"))
    return roles
