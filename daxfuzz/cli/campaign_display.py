"""What ``daxfuzz campaign`` shows while it runs, and at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import click
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from daxfuzz.campaign.conductor import Conductor
from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.findings import CASE, Known
from daxfuzz.cli.fuzz_display import Look, layout
from daxfuzz.cli.output import clock, plural, program_name, stdout_console

WAYS = 5
"""Strategies that are shown."""

EXTRA_LINES = 2
"""Lines beside those of a layout: one more row, and one to spare for the cursor."""

BAR = 20
"""Columns of the bar of all time."""


def campaign_look() -> Look[Conductor]:
    """How a campaign is shown."""
    return Look(news, progress, dashboard)


def news(conductor: Conductor) -> list[str]:
    """Everything that was told so far."""
    return [f"WARNING: {each.text}" if each.loud else each.text for each in conductor.state.news]


def progress(conductor: Conductor) -> str:
    """How far a campaign is, in one line."""
    directory = conductor.directory
    parts = [
        plural(directory.totals.whole.executions, "execution"),
        f"{rate(conductor):,.0f}/s",
        plural(directory.features, "feature"),
        plural(len(directory.findings.known), "finding"),
        f"{len(directory.pending.waiting)} in triage",
        canary(conductor),
    ]
    if conductor.state.disk_full:
        parts.insert(0, "DISK FULL")
    return ", ".join(part for part in parts if part)


def rate(conductor: Conductor) -> float:
    """Executions per second of this start."""
    done = conductor.totals.whole.executions - conductor.state.since
    return done / conductor.seconds if conductor.seconds else 0.0


def canary(conductor: Conductor) -> str:
    """How the canary is."""
    state = conductor.totals.canary
    if conductor.config.canary is None:
        return ""
    if not state.hunts:
        return "canary not hunted yet"
    return "canary alive" if state.alive else "CANARY DEAD"


def dashboard(conductor: Conductor, height: int) -> Group:
    """The live display, at most `height` lines."""
    directory, totals = conductor.directory, conductor.totals
    found = directory.findings.known
    latest = f"last {clock(conductor.campaign_seconds() - totals.last_new)} ago" if found else "none yet"
    inputs = sum(len(corpus.entries) for corpus in directory.corpora.values())
    whole = totals.whole
    rows = [
        ("executions", f"{whole.executions:,}", "time", f"{clock(conductor.campaign_seconds())}{limit(conductor)}"),
        ("per second", f"{rate(conductor):,.0f}", "workers", str(len(conductor.crew.seats()))),
        ("features", f"{directory.features:,}", "corpus", plural(inputs, "input")),
        ("findings", f"{len(found)}, {latest}", "in triage", str(len(directory.pending.waiting))),
        ("slices", f"{whole.slices:,}", "canary", canary(conductor).removeprefix("canary ") or "none"),
    ]
    alarms = [each.text for each in conductor.state.news if each.loud][-1:]
    ways = slices_by_strategy(conductor)
    kinds = kinds_line(found.values())
    used = len(ways) + len(kinds)
    title = f"campaign in {directory.path}"
    lines = [finding_line(each) for each in found.values()]
    lines += [Text(f"  {each}", "bold red", no_wrap=True, overflow="ellipsis") for each in alarms]
    top = layout(title, rows, lines, height - used - EXTRA_LINES)
    return Group(top, *kinds, *ways)


def limit(conductor: Conductor) -> str:
    """What is left of the time."""
    left = conductor.seconds_left()
    return "" if left is None else f", {clock(max(left, 0))} left"


def kinds_line(found: Iterable[Known]) -> list[Text]:
    """How many findings there are of each kind."""
    kinds = Counter(each.kind for each in found)
    if not kinds:
        return []
    text = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    return [Text(f"kinds: {text}", no_wrap=True, overflow="ellipsis")]


def slices_by_strategy(conductor: Conductor) -> list[Text]:
    """The ways that have had most time, with a bar each."""
    spent: Counter[str] = Counter()
    for (_, engine, strategy), past in conductor.totals.by_arm.items():
        spent[f"{engine}/{strategy}" if strategy else engine] += round(1000 * past.seconds)
    whole = sum(spent.values()) or 1
    return [
        Text(f"{100 * time / whole:3.0f} % {'#' * round(BAR * time / whole):{BAR}} {way}", "dim", no_wrap=True)
        for way, time in spent.most_common(WAYS)
    ]


def finding_line(known: Known) -> Text:
    """A signature in one line."""
    line = Text.assemble("  ", (known.kind, "bold red"), known.signature.removeprefix(known.kind))
    line.append(" (stale)" if known.stale else "", "dim")
    line.no_wrap = True
    line.overflow = "ellipsis"
    return line


def final_report(directory: Directory, new: Iterable[Known] | None) -> None:
    """What a campaign has found, on stdout. new: the findings that a base does not have; None without one."""
    console = stdout_console()
    found = list(directory.findings.known.values())
    counts = directory.counts()
    if found:
        console.print(findings_table(found, counts))
        console.print()
    whole = directory.totals.whole
    click.echo(
        f"{plural(whole.executions, 'execution')} in {clock(directory.totals.running)}, "
        f"{plural(directory.features, 'feature')}, {plural(len(found), 'finding')}, "
        f"{len(directory.pending.waiting)} in triage."
    )
    if new is not None:
        fresh = list(new)
        click.echo(f"{plural(len(fresh), 'finding')} that the base does not have.")
        for each in fresh:
            click.echo(f"  {program_name()} repro {directory.findings.path(each) / CASE}")


def findings_table(found: list[Known], counts: dict[str, dict[str, int]]) -> Table:
    """All findings."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True, show_edge=False)
    for title in ("kind, explained by", "kernel"):
        table.add_column(title, overflow="fold")
    for title in ("found\nafter", "hits", ""):
        table.add_column(title, justify="right", no_wrap=True)
    for each in found:
        cause = " + ".join(each.explained_by) or "nothing known: new"
        table.add_row(
            Text.assemble((each.kind, "bold"), "\n  ", cause),
            each.kernel,
            f"{each.executions:,}",
            f"{sum(counts[each.signature].values()):,}",
            "stale" if each.stale else "",
        )
    return table
