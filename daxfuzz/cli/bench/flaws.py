"""``daxfuzz bench flaws``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

from daxfuzz.bench.discoveries import discoveries
from daxfuzz.bench.flaws import Outcome, Target, reachability
from daxfuzz.bench.reachability import FLAWS, GENERATIONS, NEVER, Cell, cells
from daxfuzz.cli.bench.common import EXAMPLES, Progress, seed_option, workers_option
from daxfuzz.cli.errors import INTERNAL
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import stdout_console
from daxfuzz.cli.signals import interruptible
from daxfuzz.engines.fuzz import Status, workers
from daxfuzz.program.dax_file import dumps_case, save_case
from daxfuzz.protocols.registry import unknown


@click.command(epilog=EXAMPLES)
@click.option("--flaw", "flaws", multiple=True, metavar="F-NN", help="Only this row. Repeatable.")
@click.option("--discoveries", "new", is_flag=True, help="The flaws that the analysis does not list, instead.")
@click.option("--protocol", "protocols", multiple=True, help="Only this column, by name or as G1a. Repeatable.")
@click.option("--executions", type=click.IntRange(1), default=200_000, show_default=True, help="At most, per cell.")
@seed_option
@workers_option
@click.option(
    "--cases",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the minimized case of each flaw that is found.",
)
@json_option
def flaws(
    flaws: tuple[str, ...],
    new: bool,
    protocols: tuple[str, ...],
    executions: int,
    seed: int,
    processes: int,
    directory: Path | None,
    as_json: bool,
) -> int:
    """Which known flaw is found on which protocol, beside what analysis expects.

    Each flaw is looked for where all others that the protocol has are repaired. Exit code: 0, or 70 if a search
    failed.
    """
    wanted = chosen(flaws, protocols, new)
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    progress = Progress()

    def update(target: Target, status: Status) -> None:
        where = f"{where_of(target.cell)}, {target.kernel.spec.filesystem}"
        progress.update(where, status, target.executions)

    outcomes: list[Outcome] = []
    paths: list[str | None] = []
    with interruptible() as interrupted, workers(processes) as pool:
        for outcome in reachability(pool, wanted, executions, seed, update):
            outcomes.append(outcome)
            paths.append(written_case(outcome, directory))
            if outcome.cell.expected != NEVER:
                progress.line(f"{where_of(outcome.cell)}: {in_words(outcome)}")
    if as_json:
        print_json({"flaws": [flaw_entry(*pair) for pair in zip(outcomes, paths, strict=True)]})
    else:
        stdout_console().print(flaw_table(outcomes))
        click.echo(LEGEND)
    if interrupted:
        return interrupted[0]
    return INTERNAL if any(outcome.failed for outcome in outcomes) else 0


LEGEND = """\
x plain run, r race, u unbind, m masked or mutation, - not reachable, ? unknown: what is expected
@N found in execution N, no: not found, n/a: cannot be run yet, err: the search failed"""


def chosen(flaws: Sequence[str], protocols: Sequence[str], new: bool) -> list[Cell]:
    """The cells of some rows and columns, of all of the table or all that are new if none is named.

    Raises UnknownName.
    """
    found = [cell for row in discoveries() for cell in row]
    known = [*FLAWS, *dict.fromkeys(cell.row for cell in found)]
    for flaw in flaws:
        if flaw not in known:
            raise unknown("flaw", flaw, known)
    if flaws:
        wanted = [*cells(), *found]
    else:
        wanted = found if new else list(cells())
    names = [name for each in GENERATIONS for name in (each.column, each.name)]
    for protocol in protocols:
        if protocol not in names:
            raise unknown("protocol", protocol, names)
    return [
        cell
        for cell in wanted
        if (not flaws or cell.row in flaws)
        and (not protocols or cell.generation.name in protocols or cell.generation.column in protocols)
    ]


def where_of(cell: Cell) -> str:
    """Names a cell in a line of progress."""
    return f"{cell.flaw} on {cell.generation.name}"


def in_words(outcome: Outcome) -> str:
    """What came of a cell that was run, or could not be."""
    if outcome.found is None:
        return outcome.reason
    return f"{'found' if outcome.found else 'not found'} in {outcome.executions:,} executions"


def written_case(outcome: Outcome, directory: Path | None) -> str | None:
    """Where the case of an outcome was written, None if there is none or nobody wants it."""
    if directory is None or outcome.case is None:
        return None
    parts = f"{outcome.cell.generation.name} {outcome.cell.flaw} {outcome.case.finding}".lower()
    path = directory / (re.sub(r"[^a-z0-9]+", "-", parts) + ".dax")
    save_case(path, dumps_case(outcome.case))
    return str(path)


def flaw_entry(outcome: Outcome, path: str | None) -> dict[str, Any]:
    """One cell as JSON."""
    cell = outcome.cell
    return {
        "flaw": cell.flaw,
        "title": cell.title,
        "generation": cell.generation.column,
        "protocol": cell.generation.name,
        "expected": cell.expected,
        "condition": str(cell.condition),
        "found": outcome.found,
        "executions": outcome.executions,
        "filesystem": outcome.filesystem,
        "case": path,
        "tasks": outcome.tasks,
        "preemptions": outcome.preemptions,
        "others": list(outcome.others),
        "reason": outcome.reason,
    }


def flaw_table(outcomes: Iterable[Outcome]) -> Table:
    """Flaws by generations, as far as there are outcomes."""
    rows: dict[str, dict[str, str]] = {}
    titles: dict[str, str] = {}
    columns: dict[str, None] = {}
    for outcome in outcomes:
        cell = outcome.cell
        titles[cell.row] = cell.title
        columns[cell.generation.column] = None
        rows.setdefault(cell.row, {})[cell.generation.column] = f"{cell.expected} {in_short(outcome)}".strip()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("flaw", no_wrap=True)
    table.add_column("")
    shown = [generation.column for generation in GENERATIONS if generation.column in columns]
    for column in shown:
        table.add_column(column, no_wrap=True)
    for row, found in rows.items():
        table.add_row(row, titles[row], *(found.get(column, "") for column in shown))
    return table


def in_short(outcome: Outcome) -> str:
    """What came of a cell, in a few characters."""
    if outcome.found:
        return f"@{outcome.executions}"
    if outcome.found is False:
        return "no"
    if outcome.failed:
        return "err"
    return "" if outcome.cell.expected == NEVER else "n/a"
