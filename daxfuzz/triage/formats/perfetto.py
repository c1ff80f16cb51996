"""Chrome trace events, which https://ui.perfetto.dev and chrome://tracing show: one track per task, a microsecond a
step.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from daxfuzz.triage.story import Story
from daxfuzz.triage.trace import Step, TaskView

Event = dict[str, Any]

PROCESS = 1
"""The process id of everything."""


def as_perfetto(story: Story) -> str:
    """One event a line."""
    events = ",\n".join(json.dumps(event) for event in events_of(story))
    other = json.dumps({"kernel": story.kernel, "verdict": story.verdict, "digest": story.replayed.execution.digest()})
    return f'{{"displayTimeUnit": "ns", "otherData": {other}, "traceEvents": [\n{events}\n]}}\n'


def events_of(story: Story) -> Iterator[Event]:
    """All events, those of each track in the order of time."""
    steps = story.trace.steps
    threads = {name: number for number, name in enumerate(story.case.program.tasks, 1)}
    yield metadata("process_name", 0, story.kernel)
    for name, thread in threads.items():
        yield metadata("thread_name", thread, name)
        yield {**metadata("thread_sort_index", thread, ""), "args": {"sort_index": thread}}
    for name, thread in threads.items():
        yield from track(thread, name, steps)
    yield from flows(steps, threads)
    yield from counters(story.trace.state, steps)
    if story.replayed.found is not None:
        thread = threads[steps[-1].task] if steps else 0
        yield {**event("i", thread, len(steps), story.replayed.kind), "s": "t", "args": {"verdict": story.verdict}}


def event(phase: str, thread: int, time: int, name: str) -> Event:
    """What all events have. phase: as the format defines it; time: the turn."""
    return {"ph": phase, "pid": PROCESS, "tid": thread, "ts": time, "name": name}


def metadata(kind: str, thread: int, name: str) -> Event:
    """The name of a process or of a thread."""
    return {"ph": "M", "pid": PROCESS, "tid": thread, "name": kind, "args": {"name": name}}


# -- slices ------------------------------------------------------------------------------------------------------


def track(thread: int, name: str, steps: Sequence[Step]) -> Iterator[Event]:
    """The slices of a task: its calls, in them the functions inside each other, in these its steps and waits."""
    own = [step for step in steps if step.task == name]
    events = [*spans(thread, own, len(steps)), *(step_slice(thread, step) for step in own)]
    events += waits(thread, name, steps)
    # An outer slice comes before the inner ones that begin with it.
    return iter(sorted(events, key=lambda each: (each["ts"], -each["dur"])))


def spans(thread: int, own: Sequence[Step], end: int) -> Iterator[Event]:
    """A slice for each call and function, from the first of its steps to the last. end: of the execution."""
    begun: list[tuple[Hashable, int, str]] = []
    calls = reached = 0
    for step in own:
        calls += step.access == "call"
        frames = frames_of(step, calls)
        kept = 0
        while kept < min(len(begun), len(frames)) and begun[kept][0] == frames[kept][0]:
            kept += 1
        yield from (slice_(thread, since, reached, title) for _, since, title in begun[kept:])
        begun[kept:] = [(key, step.turn, title) for key, title in frames[kept:]]
        reached = step.turn + 1
    # Who never gets on waits where it is.
    if own and own[-1].turn + 1 < end and next_view(own[-1]) != "ended":
        reached = end
    yield from (slice_(thread, since, reached, title) for _, since, title in begun)


def frames_of(step: Step, calls: int) -> list[tuple[Hashable, str]]:
    """What a step is inside of: the call, and the functions with what tells two calls of one apart; by their names."""
    callers = (None, *(place.line for place in step.stack))
    functions = [((place.function, line), place.function) for place, line in zip(step.stack, callers, strict=False)]
    return [(calls, step.call), *functions]


def next_view(step: Step) -> str:
    """The state of its task after a step."""
    view = step.tasks.get(step.task)
    return "" if view is None else view.state


def step_slice(thread: int, step: Step) -> Event:
    """One step."""
    place = f"{step.stack[-1].file}:{step.stack[-1].line}" if step.stack else ""
    arguments = {
        "turn": step.turn,
        "label": str(step.label),
        "value": step.value,
        "changed": "; ".join(step.changed),
        "at": place,
        "clock": " ".join(map(str, step.clock)),
    }
    return {**slice_(thread, step.turn, step.turn + 1, f"{step.access} {step.object}"), "args": arguments}


def waits(thread: int, name: str, steps: Sequence[Step]) -> Iterator[Event]:
    """The times at which a task cannot run."""
    since, view = 0, None
    for step in steps:
        now = step.tasks.get(name)
        if now is None:
            continue
        if view is not None and (now.state, now.waits_for) != (view.state, view.waits_for):
            yield wait_slice(thread, since, step.turn + 1, view)
            view = None
        if view is None and now.waits_for:
            since, view = step.turn + 1, now
    if view is not None and since < len(steps):
        yield wait_slice(thread, since, len(steps), view)


def wait_slice(thread: int, since: int, until: int, view: TaskView) -> Event:
    """One wait."""
    arguments = {"waits_for": view.waits_for, "blocked_by": ", ".join(view.blocked_by)}
    return {**slice_(thread, since, until, f"{view.state}: {view.waits_for}"), "args": arguments}


def slice_(thread: int, since: int, until: int, name: str) -> Event:
    """What happens from one turn to another one."""
    return {**event("X", thread, since, name), "dur": until - since}


# -- flows and counters ------------------------------------------------------------------------------------------


def flows(steps: Sequence[Step], threads: Mapping[str, int]) -> Iterator[Event]:
    """An arrow from each step that wakes a task, or lets it go on, to that task's next step."""
    numbers = count(1)
    for step in steps:
        for name in (*step.woken, *step.released):
            after = next((each.turn for each in steps[step.turn + 1 :] if each.task == name), None)
            if after is None:
                continue
            number = next(numbers)
            what = "wakes" if name in step.woken else "lets go on"
            yield {**arrow("s", threads[step.task], step.turn, what), "id": number}
            yield {**arrow("f", threads[name], after, what), "id": number, "bp": "e"}


def arrow(phase: str, thread: int, turn: int, name: str) -> Event:
    """One end of an arrow, in the middle of a step, so that it belongs to that one alone."""
    return {**event(phase, thread, turn, name), "ts": turn + 0.5, "cat": "wake"}


def counters(state: Mapping[str, str], steps: Sequence[Step]) -> Iterator[Event]:
    """The numbers among the shared state that change: reference counts above all."""
    changing = {name for step in steps for name in step.state}
    for name, value in state.items():
        if name not in changing or not is_number(value):
            continue
        yield counter(0, name, int(value))
        for step in steps:
            now = step.state.get(name)
            if now is not None and is_number(now):
                yield counter(step.turn + 1, name, int(now))


def counter(turn: int, name: str, value: int) -> Event:
    """A number from a turn on."""
    return {**event("C", 0, turn, name), "args": {"value": value}}


def is_number(text: str) -> bool:
    """Whether a value is a number."""
    return text.removeprefix("-").isdecimal()
