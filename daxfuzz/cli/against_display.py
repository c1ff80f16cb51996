"""What ``daxfuzz fuzz --against`` shows while it runs, and at its end."""

from __future__ import annotations

import click
from rich.console import Group as Lines

from daxfuzz.cli.fuzz_display import (
    Look,
    findings_table,
    kernel_name,
    layout,
    limits,
    points,
    replay_command,
    report_left,
    signature_line,
    title,
)
from daxfuzz.cli.output import at_most, clock, plural, stdout_console
from daxfuzz.engines.against import Compared, Comparison, Group
from daxfuzz.engines.fuzz import FuzzSettings
from daxfuzz.triage.bench import KernelChoice

HEADINGS = {
    Group.NEW: "New, with the patches only",
    Group.GONE: "Gone, without the patches only",
    Group.BOTH: "In both",
    Group.UNVERIFIED: "Found on one kernel, not yet looked for on the other",
}


def against_look(settings: FuzzSettings, without: KernelChoice) -> Look[Comparison]:
    """How the comparison of two kernels is shown."""
    more = f" against {kernel_name(without)}"

    def dashboard(status: Comparison, height: int) -> Lines:
        limit, goal = limits(settings)
        busy = status.without.triaging + status.patched.triaging
        rows = [
            ("executions", f"{status.executions:,}{goal}", "time", f"{clock(status.seconds)}{limit}"),
            ("per second", f"{status.executions_per_second:,.0f}", "points reached", points(status.patched)),
            ("in triage", str(busy), "being verified", str(status.verifying)),
            ("new", str(len(status.of(Group.NEW))), "gone, in both", gone_and_both(status)),
        ]
        lines = [signature_line(each.found, f"{each.group}: ") for each in status.found.values()]
        return layout(title(settings.kernel, settings.seed, more), rows, lines, height)

    return Look(news, progress, dashboard)


def gone_and_both(status: Comparison) -> str:
    return f"{len(status.of(Group.GONE))}, {len(status.of(Group.BOTH))}"


def news(status: Comparison) -> list[str]:
    """A line for each time that a finding got into a group."""
    return [news_line(each) for each in status.history]


def news_line(compared: Compared) -> str:
    return f"{compared.group}: {compared.found.finding.signature} -> {compared.found.path}"


def progress(status: Comparison) -> str:
    """How far a comparison is, in one line."""
    parts = [
        plural(status.executions, "execution"),
        f"{status.executions_per_second:,.0f}/s",
        in_groups(status),
    ]
    busy = status.without.triaging + status.patched.triaging
    if busy:
        parts.append(f"{busy} in triage")
    if status.verifying:
        parts.append(f"{status.verifying} being verified")
    return ", ".join(parts)


def in_groups(status: Comparison) -> str:
    """How many findings there are of each group."""
    counts = {group: len(status.of(group)) for group in Group}
    text = f"{counts[Group.NEW]} new, {counts[Group.GONE]} gone, {counts[Group.BOTH]} in both"
    return text + (f", {counts[Group.UNVERIFIED]} unverified" if counts[Group.UNVERIFIED] else "")


def comparison_report(status: Comparison, settings: FuzzSettings, without: KernelChoice) -> None:
    """How two kernels differ, on stdout."""
    console = stdout_console()
    patches = " + ".join(settings.kernel.spec.patches[len(without.spec.patches) :])
    click.echo(f"{kernel_name(without)} without and with {patches}: {in_groups(status)}.\n")
    for group, heading in HEADINGS.items():
        if found := status.of(group):
            click.echo(f"{heading}:\n")
            console.print(findings_table(found, console.width, "nothing known"))
            console.print()
    if not status.of(Group.NEW) and not status.left:
        click.echo(power(status.patched.executions))
    click.echo(
        f"{plural(status.executions, 'execution')} ({plural(status.steps, 'step')}) in {clock(status.seconds)}, "
        f"{status.executions_per_second:,.0f}/s, half on each kernel; points reached with the patches "
        f"{points(status.patched)}."
    )
    if status.found:
        click.echo("\nTo replay them:")
        for each in status.found.values():
            click.echo(f"  {replay_command(each.found, each.kernel)}")
    report_left(status.left)


def power(executions: int) -> str:
    """What it means that nothing new was found."""
    if not executions:
        return "Nothing new: no execution was finished."
    return f"Nothing new in {plural(executions, 'execution')} with the patches: {at_most(executions)}."
