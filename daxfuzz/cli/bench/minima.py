"""``daxfuzz bench minima``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

from daxfuzz.bench.minima import Minima, Size, compare, summary
from daxfuzz.cli.bench.common import EXAMPLES, seed_option, workers_option
from daxfuzz.cli.corpus.places import files_of
from daxfuzz.cli.errors import OneLineError
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import stdout_console
from daxfuzz.engines.fuzz import workers


@click.command(epilog=EXAMPLES)
@click.argument("places", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--examples", type=click.IntRange(1), default=1_000, show_default=True, help="Programs to draw, at most.")
@click.option(
    "--searches",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="With one seed after the other, until one gives nothing larger; the smallest counts.",
)
@seed_option
@workers_option
@json_option
def minima(places: tuple[Path, ...], examples: int, searches: int, seed: int, processes: int, as_json: bool) -> int:
    """Minimized cases beside what hypothesis finds and shrinks with the same operations on the same kernel: tasks,
    operations, preemptions and choices.
    """
    found: list[Minima] = []
    paths = files_of(places)
    with workers(processes) as pool:
        for path, future in [(path, pool.submit(compare, path, examples, seed, searches)) for path in paths]:
            try:
                found.append(future.result())
            except ValueError as error:
                raise OneLineError(str(error)) from None
            click.echo(f"[{len(found)}/{len(paths)}] {path.stem}: {found[-1].outcome}", err=True)
    if as_json:
        print_json({"cases": [entry(each) for each in found], "summary": summary(found)})
        return 0
    stdout_console().print(table(found))
    click.echo(", ".join(f"{number} {name}" for name, number in summary(found).items()))
    return 0


def table(found: list[Minima]) -> Table:
    """A row for each case."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("case")
    table.add_column("minimize", justify="right")
    table.add_column("hypothesis", justify="right")
    table.add_column("")
    table.add_column("searches", justify="right")
    for each in found:
        theirs = "-" if each.theirs is None else numbers(each.theirs)
        table.add_row(each.path.stem, numbers(each.ours), theirs, str(each.outcome), str(each.searches))
    return table


def numbers(size: Size) -> str:
    """Tasks, operations, preemptions, choices."""
    return " ".join(str(number) for number in size)


def entry(minima: Minima) -> dict[str, Any]:
    """One case as JSON."""
    names = ("tasks", "operations", "preemptions", "choices")
    return {
        "case": str(minima.path),
        "outcome": str(minima.outcome),
        "searches": minima.searches,
        "minimize": dict(zip(names, minima.ours, strict=True)),
        "hypothesis": None if minima.theirs is None else dict(zip(names, minima.theirs, strict=True)),
    }
