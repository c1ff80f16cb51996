"""One program on two kernels, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from daxfuzz.triage.compare import Comparison, Pair
from daxfuzz.triage.story import Story
from daxfuzz.triage.trace import Step
from daxfuzz.triage.words import plural

AROUND = 3
"""Equal steps that are shown before and after unequal ones."""

DIFFERENT = 20
"""Unequal steps that are shown; after the first few, most follow from those."""

MARK = ">"
"""Stands at the first divergence; further ones have a `|`."""


def side_by_side(comparison: Comparison) -> Group:
    """The steps around each difference, the first one marked, and what both kernels show."""
    one, other = comparison.one, comparison.other
    return Group(
        table(comparison),
        "",
        Text(where(comparison), style="bold"),
        Text(f"{one.kernel}: {outcome(one)}"),
        Text(f"{other.kernel}: {outcome(other)}"),
    )


def table(comparison: Comparison) -> Table:
    """Task, and what it does on either kernel."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    grid.add_column("", no_wrap=True)
    grid.add_column("task", no_wrap=True)
    grid.add_column(comparison.one.kernel, overflow="fold", ratio=1)
    grid.add_column(comparison.other.kernel, overflow="fold", ratio=1)
    seen = 0
    for pair, number in shown(comparison):
        if pair is None:
            rest = "more" if seen >= DIFFERENT else "the same"
            grid.add_row("", "...", Text(f"{plural(number, 'step')} {rest}", style="dim"), "")
            continue
        seen += not pair.same
        step = pair.step
        mark = "" if pair.same else MARK if number == comparison.divergence else "|"
        style = "dim" if pair.same else "bold" if mark == MARK else ""
        cells = [Text("" if each is None else in_words(each), style=style) for each in (pair.one, pair.other)]
        grid.add_row(mark, step.task, *cells)
    return grid


def shown(comparison: Comparison) -> Iterator[tuple[Pair | None, int]]:
    """The pairs near a difference with their numbers; None and how many, where others are left out."""
    pairs = comparison.pairs
    different = [number for number, pair in enumerate(pairs) if not pair.same]
    near = {other for number in different for other in range(number - AROUND, number + AROUND + 1)}
    more = different[DIFFERENT:]
    near -= {number for number in near if more and number >= more[0]}
    skipped = 0
    for number, pair in enumerate(pairs):
        if number in near:
            if skipped:
                yield None, skipped
            skipped = 0
            yield pair, number
        else:
            skipped += 1
    if skipped:
        yield None, skipped


def in_words(step: Step) -> str:
    """What a step does, and what comes of it."""
    if step.access == "call":
        return step.call
    value = f" = {step.value}" if step.value else ""
    changed = "".join(f"; {change.removeprefix(f'{step.object} ')}" for change in step.changed)
    return f"{step.function}: {step.access} {step.object}{value}{changed}"


def where(comparison: Comparison) -> str:
    """Where the kernels part."""
    if comparison.divergence is None:
        return "The kernels do the same."
    pair = comparison.pairs[comparison.divergence]
    if pair.one is not None and pair.other is not None:
        return f"They part at {pair.one.label}: {pair.one.value or 'one effect'} and {pair.other.value or 'another'}."
    step = pair.step
    which = comparison.one if pair.one is not None else comparison.other
    return f"They part at {step.label}, which {which.kernel} has alone."


def outcome(story: Story) -> str:
    """What a kernel shows, and whether it can keep the order."""
    found = story.replayed.found
    text = "clean" if found is None else f"{found.kind}: {found.message}"
    if story.replayed.impossible:
        return f"{text} (it cannot keep the order: {story.replayed.impossible})"
    return text


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON. Its keys are never renamed."""
    return {
        "order": [str(each) for each in comparison.order],
        "kernels": [kernel_document(story) for story in (comparison.one, comparison.other)],
        "divergence": comparison.divergence,
        "steps": [
            {
                "same": pair.same,
                "turns": [None if each is None else each.turn for each in (pair.one, pair.other)],
                "label": str(pair.step.label),
                "text": [None if each is None else in_words(each) for each in (pair.one, pair.other)],
            }
            for pair in comparison.pairs
        ],
    }


def kernel_document(story: Story) -> dict[str, Any]:
    """One of both kernels."""
    return {"kernel": story.kernel, "kind": story.replayed.kind, "impossible": story.replayed.impossible}
