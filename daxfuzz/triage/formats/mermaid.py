"""A Mermaid sequence diagram, which GitHub and others draw from text in Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from daxfuzz.triage.formats.proved import statement
from daxfuzz.triage.story import Story
from daxfuzz.triage.trace import Step, relevant

WIDTH = 56
"""Characters of a line in a note."""

SHOWN = 120
"""Steps of a diagram; of longer ones the middle is left out."""

MARKED = "rect rgba(255, 193, 7, 0.25)"
"""Around a step that a constraint names; it can be told from a light and from a dark page."""


def as_mermaid(story: Story) -> str:
    """The steps by which tasks can notice each other: a message to what is accessed, or to who is woken."""
    return "\n".join(_Diagram(story).lines()) + "\n"


class _Diagram:
    """Names of participants are made up here, so that no name of the program is a word of the language."""

    def __init__(self, story: Story) -> None:
        self._story = story
        trace = story.trace
        named = {turn for each in story.constraints for turn in (each.before, each.after) if turn is not None}
        wanted = relevant(trace) | named
        self._steps = [step for step in trace.steps if step.turn in wanted]
        self._tasks = {name: f"t{number}" for number, name in enumerate(story.case.program.tasks)}
        things = dict.fromkeys(thing_of(step) for step in self._steps if step.access != "call")
        self._things = {name: f"o{number}" for number, name in enumerate(things)}
        self._calls: dict[str, str] = {}

    def lines(self) -> Iterator[str]:
        """The whole diagram."""
        yield "sequenceDiagram"
        yield from (f"    participant {alias} as {escaped(name)}" for name, alias in self._columns())
        left_out = len(self._steps) - SHOWN
        for number, step in enumerate(self._steps):
            if left_out > 0 and number == SHOWN // 2:
                yield f"    Note over {self._everybody()}: {left_out:,} steps are not shown"
            if left_out <= 0 or not SHOWN // 2 <= number < SHOWN // 2 + left_out:
                yield from (f"    {line}" for line in self._step(step))
        yield f"    Note over {self._everybody()}: {wrapped(self._story.verdict)}"
        if self._story.proof is not None:
            yield f"    Note over {self._everybody()}: {wrapped(statement(self._story.proof))}"

    def _columns(self) -> list[tuple[str, str]]:
        """All participants: what tasks access stands between the first task and the others."""
        first, *others = self._tasks.items()
        return [first, *self._things.items(), *others]

    def _everybody(self) -> str:
        aliases = [alias for _, alias in self._columns()]
        return aliases[0] if len(aliases) == 1 else f"{aliases[0]},{aliases[-1]}"

    def _step(self, step: Step) -> Iterator[str]:
        """A step: its message, in a frame if a constraint names it, and what comes of it for tasks."""
        me = self._tasks[step.task]
        if step.call != self._calls.get(step.task) or step.access == "call":
            self._calls[step.task] = step.call
            yield f"Note over {me}: {wrapped(step.call)}"
        roles = self._roles(step)
        if roles:
            yield MARKED
        if step.access != "call":
            yield f"{me}->>{self._things[thing_of(step)]}: {step.turn}: {escaped(message_of(step))}"
        yield from (f"Note over {me}: {wrapped(role)}" for role in roles)
        if roles:
            yield "end"
        yield from (f"{me}-){self._tasks[name]}: wakes" for name in step.woken)
        yield from (f"{me}-){self._tasks[name]}: lets go on" for name in step.released)
        for name, view in step.tasks.items():
            if view.state == "asleep":
                yield f"Note over {self._tasks[name]}: {wrapped(f'sleeps on {view.waits_for}')}"
            elif view.state == "blocked":
                yield f"Note over {self._tasks[name]}: {wrapped(f'waits for {view.waits_for}')}"
            elif view.state == "ended":
                yield f"Note over {self._tasks[name]}: ends"

    def _roles(self, step: Step) -> list[str]:
        """What constraints say of a step."""
        found = []
        for number, each in enumerate(self._story.constraints, 1):
            if each.before == step.turn:
                found.append(f"constraint {number}: before {each.constraint.after}")
            if each.after == step.turn:
                found.append(f"constraint {number}: after {each.constraint.before}")
        return found


def thing_of(step: Step) -> str:
    """What an object is part of: a page, a file, an address space; itself, if nothing."""
    first, _, _ = step.object.partition(".")
    return first


def message_of(step: Step) -> str:
    """A step in a few words: function, access, and what it found or changed."""
    thing, _, part = step.object.partition(".")
    changed = [each for each in step.changed if each.split(" ")[0] not in step.tasks]
    outcome = f" = {step.value}" if step.value else ""
    if changed:
        outcome = f": {changed[0].removeprefix(f'{step.object} ').removeprefix(f'{thing} ')}"
    access = f"{step.access} {part}".rstrip()
    return f"{step.function}: {access}{outcome}"


def wrapped(text: str) -> str:
    """Text of a note, in lines."""
    return "<br/>".join(escaped(line) for line in textwrap.wrap(text, WIDTH, break_on_hyphens=False))


def escaped(text: str) -> str:
    """Text in which Mermaid finds nothing to interpret: `;` ends a line, `#` begins an entity, `<` a tag, `%%` a
    comment. Arrows become characters of their own.
    """
    return "".join(f"#{ord(char)};" if char in '#;<>%"\\`' else char for char in text.replace("->", "\u2192"))
