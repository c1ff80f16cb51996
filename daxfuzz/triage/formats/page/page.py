"""The page: what the template fills in, and what the script in it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from daxfuzz.triage.formats.document import Document, Places
from daxfuzz.triage.formats.page.lanes import Grid, Lane, roles_of
from daxfuzz.triage.formats.page.sources import Source, sources_of
from daxfuzz.triage.formats.proved import statement, without
from daxfuzz.triage.proof import CLEAN
from daxfuzz.triage.story import Ordered, Story
from daxfuzz.triage.trace import Place, Step, TaskView, relevant

if TYPE_CHECKING:
    from jinja2 import Template


STRIPES = 40
"""Runs of tasks that a strip has at most."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A step in its lane. heading: the function, where another one begins; place: where it links to.

    again: the function, where another one begins if quiet steps are hidden, but not else.
    quiet: no other task can notice it. roles: what constraints say of it.
    """

    step: Step
    row: int
    lane: Lane
    heading: str
    again: str
    place: Place | None
    quiet: bool
    roles: list[tuple[int, str]]

    @property
    def changes(self) -> list[str]:
        """What it changed, without the name of the object that stands beside it."""
        return [change.removeprefix(f"{self.step.object} ") for change in self.step.changed]


@dataclass(frozen=True, slots=True)
class Strip:
    """The turns of a run, in a line. runs: (number of the task, turns), in the order of time; what: in words."""

    what: str
    runs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """A constraint as the page lists it. without: what happens without it, if that is proved; strip: its turns."""

    number: int
    ordered: Ordered
    without: str
    strip: Strip | None


def as_html(story: Story) -> str:
    """The whole page."""
    grid = Grid(story)
    return _template().render(
        story=story,
        grid=grid,
        cells=cells(story, grid),
        reasons=reasons(story),
        statement="" if story.proof is None else statement(story.proof),
        strip=None if story.proof is None else strip_of("fails", story.replayed.execution.turns),
        data=data(story, grid),
    )


@cache
def _template() -> Template:
    # What it takes to import jinja2 is for those who want a page.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("daxfuzz.triage.formats.page", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # The order of tasks is that of the entries of a clock.
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    return environment.get_template("page.html")


def cells(story: Story, grid: Grid) -> list[Cell]:
    """The steps that are shown."""
    loud = relevant(story.trace)
    every, unhidden = _Headings(), _Headings()
    found = []
    for step in grid.steps:
        roles = roles_of(step, story.constraints)
        quiet = step.turn not in loud and not roles
        heading = every.heading(step)
        again = "" if quiet else unhidden.heading(step)
        place = step.stack[-1] if step.stack else None
        row, lane = grid.row(step.turn), grid.lanes[step.task]
        found.append(Cell(step, row, lane, heading, "" if heading else again, place, quiet, roles))
    return found


class _Headings:
    """Names the function of a step where its task was in another one before, or another task ran."""

    def __init__(self) -> None:
        self._functions: dict[str, tuple[str, str]] = {}
        self._last = ""

    def heading(self, step: Step) -> str:
        """The name, or nothing. To be asked of each step in turn."""
        here = (step.call, step.function)
        new = self._functions.get(step.task) != here or self._last != step.task
        self._functions[step.task], self._last = here, step.task
        return step.function if new and step.access != "call" else ""


def reasons(story: Story) -> list[Reason]:
    """The constraints, with what is proved of each."""
    tasks = list(story.case.program.tasks)
    needed = () if story.proof is None else story.proof.needed
    found = []
    for number, ordered in enumerate(story.constraints, 1):
        each = needed[number - 1] if needed else None
        text = "" if each is None else without(each, number - 1, len(needed), tasks)
        run = None if each is None else each.without
        strip = None if run is None else strip_of("passes" if run.shows == CLEAN else "differs", run.turns)
        found.append(Reason(number, ordered, text, strip))
    return found


def strip_of(what: str, turns: Sequence[int]) -> Strip | None:
    """A run as a strip, if it does not take too many."""
    runs = tuple((task, len(list(group))) for task, group in groupby(turns))
    return Strip(what, runs) if len(runs) <= STRIPES else None


# -- for the script ----------------------------------------------------------------------------------------------


def data(story: Story, grid: Grid) -> Document:
    """What the script shows beside the lanes; keys as in the JSON document. Of a task that is different after a step,
    a step has what is different.
    """
    trace = story.trace
    places = Places()
    tasks = places.tasks(trace.tasks)
    shown = shown_state(story)
    first = trace.steps[0].turn if trace.steps else 0
    steps = []
    last = dict(tasks)
    for step in grid.steps:
        state, views = _between(story, first, step)
        first = step.turn + 1
        now = places.tasks(views)
        different = {
            name: {key: value for key, value in task.items() if value != last[name][key]} for name, task in now.items()
        }
        last |= now
        steps.append(
            {
                **places.row(step),
                "state": {name: value for name, value in state.items() if name in shown},
                "tasks": different,
                "constraints": [number for number, _ in roles_of(step, story.constraints)],
            }
        )
    return {
        "tasks": tasks,
        "state": {name: value for name, value in trace.state.items() if name in shown},
        "groups": {name: trace.groups[name] for name in trace.groups if name in shown},
        "objects": {name: trace.objects[name] for name in trace.objects if name in shown},
        "order": [[each.before, each.after] for each in story.constraints],
        "steps": steps,
        **_places_document(places, story.replayed.bench.kernel.files),
    }


def _between(story: Story, first: int, step: Step) -> tuple[dict[str, str | None], dict[str, TaskView]]:
    """What is different after a step, and after those before it from `first` on, which are not shown."""
    state: dict[str, str | None] = {}
    views: dict[str, TaskView] = {}
    for each in story.trace.steps[first : step.turn + 1]:
        state |= each.state
        views |= each.tasks
    return state, views


def shown_state(story: Story) -> frozenset[str]:
    """The values that a reader may want: those of objects that are accessed or change, and all of a page."""
    trace = story.trace
    touched = {step.object for step in trace.steps}
    touched |= {trace.objects[name] for step in trace.steps for name in step.state}
    pages = {trace.groups[name] for name, obj in trace.objects.items() if obj in touched and obj.startswith("page")}
    return frozenset(
        name
        for name, obj in trace.objects.items()
        if obj in touched or (trace.groups[name] in pages and name.startswith("page"))
    )


def _places_document(places: Places, files: Sequence[str]) -> dict[str, Any]:
    """The places by number, each with the number of its function, and the functions."""
    sources = sources_of(places.numbers, files)
    functions: dict[Source, int] = {}
    documents = []
    for place, document in zip(places.numbers, places.documents(), strict=True):
        source = sources.get(place)
        number = -1 if source is None else functions.setdefault(source, len(functions))
        documents.append({**document, "source": number})
    return {"places": documents, "sources": [{"line": each.line, "text": each.text} for each in functions]}
