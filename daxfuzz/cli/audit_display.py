"""What ``daxfuzz audit`` shows while it runs, and at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click
from rich import box
from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from daxfuzz.bench.audit.reasons import LastAudit
from daxfuzz.bench.audit.run import EQUIVALENT, KILLED, NOT_REACHED, SURVIVED, UNDECIDED, AuditStatus, Outcome
from daxfuzz.cli.audited import in_words
from daxfuzz.cli.fuzz_display import Look
from daxfuzz.cli.output import clock, plural, stdout_console

HEADER_LINES = 8
"""Lines of the live display beside the latest deaths."""


def audit_look(protocol: str) -> Look[AuditStatus]:
    """How an audit is shown while it runs."""
    return Look(lambda status: [], progress, lambda status, height: dashboard(status, protocol, height))


def progress(status: AuditStatus) -> str:
    """How far an audit is, in one line."""
    parts = [
        f"round of {status.goal:,} executions",
        f"{status.settled:,} of {status.mutants:,} mutants",
        f"{status.killed:,} killed",
        f"{status.alive:,} alive",
        f"{plural(status.executions, 'execution')} run",
    ]
    if status.looking:
        parts.append(f"{plural(status.looking, 'program')} to look at first")
    return ", ".join(parts)


def dashboard(status: AuditStatus, protocol: str, height: int) -> Group:
    """The live display, at most `height` lines."""
    title = Text.assemble(("daxfuzz audit", "bold"), f"  {protocol}")
    grid = Table.grid(padding=(0, 2))
    for style in ("dim", "", "dim", ""):
        grid.add_column(style=style)
    grid.add_row("round", f"{status.goal:,} executions each", "time", clock(status.seconds))
    grid.add_row("killed", f"{status.killed:,}", "executions run", f"{status.executions:,}")
    grid.add_row("alive", f"{status.alive:,}", "to look at first", plural(status.looking, "program"))
    bar = ProgressBar(total=max(status.mutants, 1), completed=status.settled, width=60)
    latest = [Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in status.deaths]
    return Group(title, "", grid, "", bar, "", *latest[-max(height - HEADER_LINES, 1) :])


def report(outcomes: Sequence[Outcome], figures: LastAudit, every: bool) -> None:
    """The outcomes for a reader: those that are not killed, or all of them, and the figures."""
    shown = [each for each in outcomes if every or each.outcome != KILLED]
    if shown:
        stdout_console().print(outcome_table(shown))
    for line in by_kind(outcomes):
        click.echo(line)
    count = Counter(each.outcome for each in outcomes)
    rest = [f"{count[name]:,} {name}" for name in (SURVIVED, NOT_REACHED, UNDECIDED, EQUIVALENT) if count[name]]
    click.echo(f"{in_words(figures)}{'; ' if rest else ''}{', '.join(rest)}.")


def by_kind(outcomes: Sequence[Outcome]) -> list[str]:
    """How many mutants each kind of finding has killed, and how soon."""
    kinds: dict[str, list[int]] = {}
    for each in outcomes:
        if each.outcome == KILLED:
            kinds.setdefault(each.kind, []).append(each.executions)
    lines = []
    for kind, executions in sorted(kinds.items(), key=lambda item: -len(item[1])):
        median = sorted(executions)[len(executions) // 2]
        lines.append(f"{len(executions):6,} killed by {kind}, half of them within {plural(median, 'execution')}")
    return lines


def outcome_table(outcomes: Sequence[Outcome]) -> Table:
    """One mutant a row."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("mutant", overflow="fold")
    table.add_column("line", overflow="fold")
    table.add_column("executions", justify="right")
    table.add_column("outcome", overflow="fold")
    for each in outcomes:
        mutant = each.mutant
        said = each.kind or each.reason
        table.add_row(
            mutant.name,
            f"{mutant.file}:{mutant.line}\n{mutant.text}",
            f"{each.executions:,}",
            f"{each.outcome}{': ' if said else ''}{said}",
        )
    return table
