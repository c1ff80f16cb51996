"""``daxfuzz bench silent``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

from daxfuzz.bench.silent import Silence, listen, spread
from daxfuzz.cli.audited import audited
from daxfuzz.cli.bench.common import EXAMPLES, Progress, seed_option, workers_option
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import at_most, plural, stdout_console
from daxfuzz.cli.signals import interruptible
from daxfuzz.engines.fuzz import Status
from daxfuzz.kernel.kernel import FILESYSTEMS
from daxfuzz.protocols.registry import PROTOCOLS, protocol, unknown

Outcomes = list[tuple[Silence, Status]]


@click.command(epilog=EXAMPLES)
@click.option("--protocol", "protocols", multiple=True, help="Instead of all -fixed ones. Repeatable.")
@click.option("--filesystem", "filesystems", multiple=True, help="Instead of all. Repeatable.")
@click.option(
    "--executions",
    type=click.IntRange(1),
    default=200_000,
    show_default=True,
    help="In total, the same for each kernel.",
)
@seed_option
@workers_option
@click.option(
    "--findings",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("findings"),
    show_default=True,
    metavar="DIR",
    help="Where cases are written.",
)
@json_option
def silent(
    protocols: tuple[str, ...],
    filesystems: tuple[str, ...],
    executions: int,
    seed: int,
    processes: int,
    directory: Path,
    as_json: bool,
) -> int:
    """Whether the -fixed protocols are silent on every file system.

    Exit code: 0 if nothing was found, else 1.
    """
    wanted = spread(chosen_protocols(protocols), chosen_filesystems(filesystems), executions, seed)
    progress = Progress()
    outcomes: Outcomes = []

    def update(silence: Silence, status: Status) -> None:
        progress.update(f"{silence.protocol} on {silence.filesystem}", status, silence.executions)

    with interruptible() as interrupted:
        for silence, status in listen(wanted, processes, directory, update):
            outcomes.append((silence, status))
            progress.line(f"{silence.protocol} on {silence.filesystem}: {plural(len(status.found), 'finding')}")
    if as_json:
        print_json({"silent": [entry(*each) for each in outcomes]})
    else:
        show(outcomes)
    if interrupted:
        return interrupted[0]
    return 1 if any(status.found for _, status in outcomes) else 0


def chosen_protocols(names: tuple[str, ...]) -> list[str]:
    """All -fixed ones if none is named. Raises UnknownName."""
    return [protocol(name).name for name in names] or [name for name in PROTOCOLS if name.endswith("-fixed")]


def chosen_filesystems(names: tuple[str, ...]) -> list[str]:
    """All if none is named. Raises UnknownName."""
    for name in names:
        if name not in FILESYSTEMS:
            raise unknown("file system", name, list(FILESYSTEMS))
    return list(names or FILESYSTEMS)


def show(outcomes: Outcomes) -> None:
    """The outcomes for a reader; with nothing found, what 95 % confidence allows to say."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("protocol", "file system"):
        table.add_column(column)
    for column in ("executions", "findings", "points reached"):
        table.add_column(column, justify="right")
    for silence, status in outcomes:
        table.add_row(
            silence.protocol,
            silence.filesystem,
            f"{status.executions:,}",
            f"{len(status.found):,}",
            f"{len(status.places):,} of {status.places_total:,}",
        )
    stdout_console().print(table)
    executions = sum(status.executions for _, status in outcomes)
    findings = sum(len(status.found) for _, status in outcomes)
    summary = f"\n{plural(findings, 'finding')} in {plural(executions, 'execution')}"
    if executions and not findings:
        summary += f": {at_most(executions)}"
    click.echo(f"{summary}.")
    if not findings:
        for line in audited(*(silence.protocol for silence, _ in outcomes)):
            click.echo(line)


def entry(silence: Silence, status: Status) -> dict[str, Any]:
    """One kernel as JSON."""
    return {
        "protocol": silence.protocol,
        "filesystem": silence.filesystem,
        "seed": silence.seed,
        "executions": status.executions,
        "steps": status.steps,
        "stuck": status.stuck,
        "findings": [found.finding.signature for found in status.found],
        "cases": [str(found.path) for found in status.found],
        "points": len(status.places),
        "points_total": status.places_total,
    }
