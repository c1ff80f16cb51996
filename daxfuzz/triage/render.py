"""An interleaving as a table: a row per step, a column per task, and the shared state that each step changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from daxfuzz.triage.trace import Step, trace_of

if TYPE_CHECKING:
    from daxfuzz.sim import Execution
    from daxfuzz.triage.bench import Bench

TEXT_WIDTH = 120
"""Columns of a table in a message."""

SHOWN = 400
"""Rows of a table; of longer executions the middle is left out."""


def table(steps: Sequence[Step], tasks: Sequence[str]) -> Table:
    """One column per task, one row per step; operation and function are written where they begin."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    grid.add_column("", justify="right", style="dim", no_wrap=True)
    for task in tasks:
        grid.add_column(task, overflow="fold", ratio=3)
    grid.add_column("changed", overflow="fold", ratio=2)
    calls: dict[str, str] = {}
    functions: dict[str, str] = {}
    last = ""
    for row in _visible(steps):
        if row is None:
            grid.add_row("...", *("" for _ in tasks), f"{len(steps) - SHOWN:,} steps are not shown")
            continue
        if row.access == "call":
            # The step into the call is the line that names it.
            title = _in_column(tasks, row.task, Text(row.call, style="bold"))
            grid.add_row(str(row.turn), *title, "\n".join(_briefly(row)))
            calls[row.task], last = row.call, row.task
            functions.pop(row.task, None)
            continue
        if calls.get(row.task) != row.call:
            grid.add_row("", *_in_column(tasks, row.task, Text(row.call, style="bold")))
            functions.pop(row.task, None)
        if functions.get(row.task) != row.function or last != row.task:
            grid.add_row("", *_in_column(tasks, row.task, Text(row.function, style="cyan")))
        calls[row.task], functions[row.task], last = row.call, row.function, row.task
        access = Padding(access_line(row), (0, 0, 0, 2))
        grid.add_row(str(row.turn), *_in_column(tasks, row.task, access), "\n".join(_briefly(row)))
    return grid


def text_table(bench: Bench, execution: Execution) -> str:
    """The steps of an execution as a table in plain text, for messages."""
    console = Console(width=TEXT_WIDTH, no_color=True, legacy_windows=False, force_terminal=False)
    with console.capture() as capture:
        console.print(table(trace_of(bench, execution).steps, list(bench.program.tasks)))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _in_column(tasks: Sequence[str], chosen: str, cell: Text | Padding) -> list[Text | Padding | str]:
    """The cells of all tasks, of which one has something in it."""
    return [cell if task == chosen else "" for task in tasks]


def _briefly(row: Step) -> list[str]:
    """What changed, without the name of the object that stands beside it."""
    return [change.removeprefix(f"{row.object} ") for change in row.changed]


def access_line(row: Step) -> Text:
    """Verb, object and value of a step."""
    return Text.assemble(row.access, " ", row.object, (f" = {row.value}" if row.value else "", "dim"))


def _visible(steps: Sequence[Step]) -> Iterator[Step | None]:
    """The rows to show; None for a gap."""
    if len(steps) <= SHOWN:
        yield from steps
        return
    yield from steps[: SHOWN // 2]
    yield None
    yield from steps[-SHOWN // 2 :]
