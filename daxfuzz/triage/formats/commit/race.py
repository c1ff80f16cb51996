"""The steps that matter, one column per processor."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from daxfuzz.sim import Access, Interrupts, Lock, PercpuRef, Rcu, Shared
from daxfuzz.triage.formats.commit.kernel_functions import kernel_function
from daxfuzz.triage.proof import Proof
from daxfuzz.triage.story import Story
from daxfuzz.triage.trace import Step

MOST = 24
"""Steps of a table; where more could matter, those that only look are left out, and then the first ones."""

UNSEEN = (Rcu, Interrupts, PercpuRef)
"""What is of no interest unless somebody waits for it."""

WAITING = re.compile(r" (sleeps|is woken|is blocked|queued)$| freed$")

NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Line:
    """task: its number. text: what stands in its column, without the indentation of depth."""

    task: int
    depth: int
    text: str


def race(story: Story, width: int) -> list[str]:
    """The table of a replay."""
    tasks = list(story.case.program.tasks)
    starts = columns(len(tasks), width)
    head = [f"CPU{number} ({name})" for number, name in enumerate(tasks)]
    lines = [in_columns(starts, head), in_columns(starts, ["-" * len(each) for each in head])]
    for line in race_lines(story):
        start = starts[line.task] + 2 * line.depth
        wrapped = textwrap.wrap(line.text, width - start, subsequent_indent="  ", break_long_words=False)
        lines += [" " * start + part for part in wrapped]
    return [line.rstrip() for line in lines]


def columns(count: int, width: int) -> list[int]:
    """Where each column begins. Only one has anything on a line, so that all but the last may run over the next."""
    apart = {2: width // 2}.get(count, 20 if count == 3 else 16)
    return [min(apart * number, width - 24) for number in range(count)]


def in_columns(starts: Sequence[int], cells: Sequence[str]) -> str:
    """One line with something in each column."""
    line = ""
    for start, cell in zip(starts, cells, strict=True):
        line = line.ljust(start - 1) + " " * bool(line) + cell if line else " " * start + cell
    return line


def race_lines(story: Story) -> list[Line]:
    """Calls, functions and steps that matter, in order."""
    tasks = list(story.case.program.tasks)
    marks = marked_turns(story)
    found: list[Line] = []
    calls: dict[str, str] = {}
    place = ("", "")
    for row in shown_rows(story, marks):
        number = tasks.index(row.task)
        if calls.get(row.task) != row.call:
            found.append(Line(number, 0, called(row.call)))
            calls[row.task] = row.call
            place = ("", "")
        function = kernel_function(row, story.case.kernel.protocol)
        if place != (row.task, function) and function and row.access != "call":
            found.append(Line(number, 1, f"{function}()"))
        place = (row.task, function)
        found += [Line(number, 2, text) for text in step_lines(row, marks.get(row.turn, ""))]
    return found


def called(call: str) -> str:
    """A call of a program, without the register that gets its result."""
    return re.sub(r"^\w+ = ", "", call) or "(no call)"


def step_lines(row: Step, mark: str) -> list[str]:
    """What a step does and what the state is after it."""
    suffix = f"  {mark}" if mark else ""
    name = kernel_name(row.object)
    own = [change for change in row.changed if change.startswith(f"{row.object} ")]
    others = [kernel_name(change) for change in row.changed if change not in own and not dull(change)]
    if row.access == "call":
        first = ""
    elif own:
        first = f"{name}: {own[0].removeprefix(row.object).strip()}"
    elif row.access in ("lock", "unlock", "read_lock", "read_unlock"):
        first = f"{row.access}s {name}"
    else:
        first = f"{verb(row.access)} {name}" + (f" = {row.value}" if row.value else "")
    lines = [first + suffix] if first else []
    return lines + [f"[ {other} ]" for other in others]


def verb(access: str) -> str:
    """An access as what somebody does."""
    return {"read": "reads", "find": "finds", "load": "loads"}.get(access, access)


def dull(change: str) -> bool:
    """Whether a change is of no interest to who reads about a race."""
    return (
        change.endswith((" irqs off", " irqs on", " ends"))
        or change.startswith("ipi ")
        or " in rcu" in change
        or " out of rcu" in change
    )


def kernel_name(text: str) -> str:
    """A name of the model as C would write it: page0.refcount is page0->_refcount."""
    text = re.sub(r"\b(page\d+)\.(refcount|mapcount)\b", r"\1->_\2", text)
    return re.sub(r"\b(file\d+|mm\d+|page\d+|sb|pgmap)\.", r"\1->", text)


def shown_rows(story: Story, marks: Mapping[int, str]) -> list[Step]:
    """The rows of a table: as much of what may matter as there is room for."""
    rows = story.trace.steps
    objects = [step.point.object for step in story.replayed.execution.steps()]
    turns = sorted({*first_times(rows), *marks}) if story.replayed.execution.exhausted else range(len(rows))
    must = {turn for turn in turns if turn in marks or turn == len(rows) - 1 or waits(rows[turn])}
    if story.replayed.kind == "lock-order":
        return [rows[turn] for turn in turns if turn in marks or takes_a_lock(story, rows[turn], objects[turn])]
    wanted = contended(story)
    common = {turn for turn in turns if objects[turn] in wanted and not idle(rows[turn])}
    common = {turn for turn in common if turn in must or not looks_first(rows, turn)}
    if len(must | common) > MOST:
        common = {turn for turn in common if changes_something(rows[turn])}
    # What comes last is nearest to what happens.
    room = max(MOST - len(must), 0)
    chosen = must | set(sorted(common - must)[-room:] if room else ())
    return [rows[turn] for turn in sorted(chosen)]


def first_times(rows: Sequence[Step]) -> Iterable[int]:
    """The turns of steps that are not, but for what they count, the same as one before: tasks that go on for ever do so
    in circles."""
    found: dict[tuple[object, ...], int] = {}
    for row in rows:
        changed = NUMBER.sub("", " ".join(row.changed))
        found.setdefault((row.task, row.call, row.function, row.access, row.object, changed), row.turn)
    return found.values()


def takes_a_lock(story: Story, row: Step, obj: Shared) -> bool:
    """Whether a step takes a lock of the cycle that is reported; a handle of the journal is like one."""
    found = story.replayed.found
    classes = () if found is None else tuple(each.partition("/")[0] for each in found.channel.split())
    takes = any(" taken" in change or "opens a handle" in change for change in row.changed)
    return isinstance(obj, Lock) and obj.lock_class in classes and takes


def waits(row: Step) -> bool:
    """Whether a task goes to sleep, is stopped or is woken in a step, or something is freed."""
    return any(WAITING.search(change) for change in row.changed)


def changes_something(row: Step) -> bool:
    return any(not dull(change) for change in row.changed)


def idle(row: Step) -> bool:
    """Whether a step neither looks nor changes anything."""
    return not changes_something(row) and verb(row.access) == row.access


def looks_first(rows: Sequence[Step], turn: int) -> bool:
    """Whether a step only looks at what its task changes in the same function at its next step there."""
    row = rows[turn]
    later = (rows[number] for number in range(turn + 1, len(rows)))
    then = next((each for each in later if each.task == row.task), None)
    if then is None or (then.object, then.function) != (row.object, row.function):
        return False
    return changes_something(then) and not changes_something(row)


def contended(story: Story) -> set[Shared]:
    """Objects that more than one task touches, and one changes; locks only if somebody has to wait for them."""
    touched: dict[Shared, set[int]] = {}
    changed: set[Shared] = set()
    for step in story.replayed.execution.steps():
        obj = step.point.object
        touched.setdefault(obj, set()).add(step.task)
        if step.point.access is not Access.READ:
            changed.add(obj)
    waited = {view.waits_for.split()[0] for step in story.trace.steps for view in step.tasks.values() if view.waits_for}
    return {
        obj
        for obj, tasks in touched.items()
        if len(tasks) > 1 and obj in changed and not isinstance(obj, UNSEEN)
        if not obj.name.endswith(".tlb_flush_pending")
        if not isinstance(obj, Lock) or obj.name in waited
    }


def marked_turns(story: Story) -> dict[int, str]:
    """The steps that the proof speaks of, with their numbers in it: (1a) is to come before (1b)."""
    if story.proof is None:
        return {}
    found: dict[int, str] = {}
    for ordered, marks in zip(story.constraints, marks_of(story.proof), strict=True):
        for turn, mark in zip((ordered.before, ordered.after), marks, strict=True):
            if turn is not None:
                found[turn] = f"{found.get(turn, '')} {mark}".strip()
    return found


def marks_of(proof: Proof) -> list[tuple[str, str]]:
    """The marks of both steps of each constraint."""
    if len(proof.needed) == 1:
        return [("(a)", "(b)")]
    return [(f"({number + 1}a)", f"({number + 1}b)") for number in range(len(proof.needed))]
