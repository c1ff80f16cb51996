"""What ``daxfuzz fuzz`` shows while it runs, and at its end."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import click
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from daxfuzz.cli.audited import audited
from daxfuzz.cli.output import at_most, clock, plural, program_name, stdout_console
from daxfuzz.engines.fuzz import Found, FuzzSettings, Status
from daxfuzz.engines.jobs import Left
from daxfuzz.triage.bench import KernelChoice

STATUS_EVERY = 5.0
"""Seconds between two plain status lines."""

REFRESH = 0.2
"""Seconds between two refreshes of a terminal."""

HEADER_LINES = 7
"""Lines of the live display beside the findings."""

WIDE = 100
"""Columns from which the final table has kind and explanation side by side."""


class Run(Protocol):
    """How far any kind of run is."""

    @property
    def seconds(self) -> float: ...


R = TypeVar("R", bound=Run)
R_contra = TypeVar("R_contra", bound=Run, contravariant=True)


class Display(Protocol[R_contra]):
    """Shows how a run goes."""

    def update(self, status: R_contra, /) -> None:
        """Called whenever something has changed; returns quickly."""


@dataclass(frozen=True, slots=True)
class Look(Generic[R]):
    """How one kind of run is shown.

    news: a line for everything that it has found so far.
    line: how far it is, in one line.
    dashboard: the live display, at most so many lines.
    """

    news: Callable[[R], list[str]]
    line: Callable[[R], str]
    dashboard: Callable[[R, int], Group]


class Plain(Generic[R]):
    """Lines on a stderr that is no terminal: each piece of news at once, and a status line now and then."""

    def __init__(self, look: Look[R]) -> None:
        self.look = look
        self.shown = 0
        self.last = 0.0

    def update(self, status: R, /) -> None:
        news = self.look.news(status)
        for line in news[self.shown :]:
            click.echo(f"[{clock(status.seconds)}] {line}", err=True)
        self.shown = len(news)
        if status.seconds - self.last >= STATUS_EVERY:
            self.last = status.seconds
            click.echo(f"[{clock(status.seconds)}] {self.look.line(status)}", err=True)


class Terminal(Generic[R]):
    """A display on a terminal, redrawn in place."""

    def __init__(self, live: Live, look: Look[R]) -> None:
        self.live = live
        self.look = look
        self.last = -REFRESH
        self.shown = 0

    def update(self, status: R, /) -> None:
        news = len(self.look.news(status))
        if status.seconds - self.last < REFRESH and news == self.shown:
            return
        self.last = status.seconds
        self.shown = news
        self.live.update(self.look.dashboard(status, self.live.console.height), refresh=True)


@contextmanager
def display(look: Look[R]) -> Iterator[Display[R]]:
    """The display that suits stderr."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield Plain(look)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield Terminal(live, look)


def fuzz_look(settings: FuzzSettings) -> Look[Status]:
    """How fuzzing one kernel is shown."""
    return Look(news, progress, lambda status, height: dashboard(status, settings, height))


def news(status: Status) -> list[str]:
    return [f"new: {found.finding.signature} -> {found.path}" for found in status.found]


def progress(status: Status) -> str:
    """How far a run is, in one line."""
    parts = [
        plural(status.executions, "execution"),
        f"{status.executions_per_second:,.0f}/s",
        plural(len(status.found), "finding"),
    ]
    if status.found:
        parts.append(f"last new {clock(status.seconds - status.last_new)} ago")
    if status.triaging:
        parts.append(f"{status.triaging} in triage")
    parts.append(f"points {len(status.places)}/{status.places_total}")
    return ", ".join(parts)


def dashboard(status: Status, settings: FuzzSettings, height: int) -> Group:
    """The live display, at most `height` lines."""
    limit, goal = limits(settings)
    latest = f"last new one {clock(status.seconds - status.last_new)} ago" if status.found else "none yet"
    rows = [
        ("executions", f"{status.executions:,}{goal}", "time", f"{clock(status.seconds)}{limit}"),
        ("per second", f"{status.executions_per_second:,.0f}", "points reached", points(status)),
        ("in triage", str(status.triaging), "user-held waits", f"{status.stuck:,}"),
        ("findings", str(len(status.found)), "", latest),
    ]
    lines = [signature_line(found) for found in status.found]
    return layout(title(settings.kernel, settings.seed), rows, lines, height)


def limits(settings: FuzzSettings) -> tuple[str, str]:
    """What the time and the executions of a run are shown out of."""
    limit = f" of {clock(settings.seconds)}" if settings.seconds is not None else ""
    goal = f" of {settings.executions:,}" if settings.executions is not None else ""
    return limit, goal


def title(kernel: KernelChoice, seed: int, more: str = "") -> str:
    """The kernel under test, for the first line of a live display."""
    return f"{kernel_name(kernel)} on {kernel.spec.filesystem}{more}, seed {seed}"


def kernel_name(kernel: KernelChoice) -> str:
    """A protocol, its bugs and the patches on top."""
    return str(kernel.spec)


def layout(title: str, rows: list[tuple[str, str, str, str]], findings: list[Text], height: int) -> Group:
    """Title, figures as two columns of name and value, and the newest findings, in so many lines."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(min_width=22)
    grid.add_column(style="dim")
    grid.add_column()
    for row in rows:
        grid.add_row(*row)
    first = Text.assemble(("daxfuzz", "bold"), f"  {title}")
    first.truncate(200, overflow="ellipsis")
    return Group(first, "", grid, "", *newest(findings, max(height - HEADER_LINES, 1)))


def points(status: Status) -> str:
    return f"{len(status.places)} of {status.places_total}"


def newest(findings: list[Text], room: int) -> list[Text]:
    """The lines of the latest findings, as many as there is room for."""
    hidden = max(len(findings) - room, 0)
    if hidden:
        hidden += 1
    lines = [Text(f"  ... and {hidden} earlier", style="dim")] if hidden else []
    return lines + findings[hidden:]


def signature_line(found: Found, group: str = "") -> Text:
    """Signature, with the kind in bold, in one line."""
    finding = found.finding
    rest = finding.signature.removeprefix(finding.kind)
    line = Text.assemble("  ", group, (finding.kind, "bold red"), rest)
    line.no_wrap = True
    line.overflow = "ellipsis"
    return line


def final_report(status: Status, settings: FuzzSettings) -> None:
    """What a run has found, on stdout."""
    console = stdout_console()
    if status.found:
        console.print(findings_table(status.found, console.width))
        console.print()
    elif not status.left:
        for line in (power(status), *audited(settings.kernel.spec.protocol)):
            click.echo(line)
    click.echo(summary(status))
    if status.found:
        click.echo("\nTo replay them:")
        for found in status.found:
            click.echo(f"  {replay_command(found, settings.kernel)}")
    report_left(status.left)


def report_left(left: list[Left]) -> None:
    """What a run had no time for, on stdout."""
    if left:
        click.echo(
            f"\nThe time was up before {plural(len(left), 'failure')} could be minimized and told from what is known. "
            "To go on:"
        )
        for each in left:
            click.echo(f"  {case_command('minimize', each.path, each.raw.kernel)}")


def power(status: Status) -> str:
    """What it means that nothing was found."""
    if not status.executions:
        return "No finding: no execution was finished."
    return f"No finding in {plural(status.executions, 'execution')}: {at_most(status.executions)}."


def summary(status: Status) -> str:
    """The figures of a run."""
    waits = f"Not counted as findings: {status.stuck:,} that wait for user-held references, as designed."
    return (
        f"{plural(status.executions, 'execution')} ({plural(status.steps, 'step')}) in {clock(status.seconds)}, "
        f"{status.executions_per_second:,.0f}/s; points reached {points(status)}.\n" + (waits if status.stuck else "")
    ).rstrip()


def findings_table(findings: list[Found], width: int, unexplained: str = "nothing known: new") -> Table:
    """All findings; kind and explanation share a column where the terminal is narrow."""
    wide = width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True, show_edge=False)
    for title in ("kind", "explained by") if wide else ("kind, explained by",):
        table.add_column(title, overflow="fold")
    for title in ("tasks", "opera-\ntions", "preemp-\ntions", "choices", "steps", "found\nafter"):
        table.add_column(title, justify="right", no_wrap=True)
    for found in findings:
        finding = found.finding
        kind = Text(finding.kind, style="bold")
        cause = Text(" + ".join(finding.explained_by) or unexplained, style="" if wide else "dim")
        numbers = (finding.tasks, finding.operations, finding.preemptions, finding.choices, finding.steps)
        table.add_row(
            *([kind, cause] if wide else [Text.assemble(kind, "\n  ", cause)]),
            *(str(number) for number in numbers),
            f"{found.executions_to_find:,}",
        )
    return table


def replay_command(found: Found, kernel: KernelChoice) -> str:
    """The command that replays a finding on the kernel on which it was found."""
    return case_command("repro", found.path, kernel)


def case_command(command: str, path: Path | None, kernel: KernelChoice) -> str:
    """A command for a case, with the files of the user's patches."""
    files = [part for file in kernel.files for part in ("--patch", file)]
    return shlex.join([program_name(), command, str(path), *files])
