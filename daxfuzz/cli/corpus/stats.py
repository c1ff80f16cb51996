"""``daxfuzz corpus stats``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from daxfuzz.cli.corpus.places import files_of
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import plural
from daxfuzz.engines.corpus.stats import Stats, count
from daxfuzz.program.dax_file import load_case

EXAMPLES = """
\b
Example:
  daxfuzz corpus stats corpus
"""


@click.command(epilog=EXAMPLES)
@click.argument("places", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def stats(places: tuple[Path, ...], as_json: bool) -> int:
    """Count what cases show, on which kernels, how many tasks they have, and which operations they call."""
    found = count(load_case(path) for path in files_of(places))
    if as_json:
        print_json(document(found))
        return 0
    click.echo(plural(found.cases, "case"))
    for title, counted in tables(found).items():
        click.echo(f"\n{title}")
        for name, number in ordered(counted):
            click.echo(f"{number:6}  {name}")
    if found.uncalled:
        click.echo(f"\nno case calls {', '.join(found.uncalled)}")
    return 0


def tables(found: Stats) -> dict[str, Counter[Any]]:
    """What is counted, by its title."""
    return {
        "findings": found.findings,
        "protocols": found.protocols,
        "filesystems": found.filesystems,
        "tasks": found.tasks,
        "operations": found.operations,
    }


def ordered(counted: Counter[Any]) -> list[tuple[Any, int]]:
    """Counts, the largest first, equal ones by name."""
    return sorted(counted.items(), key=lambda each: (-each[1], str(each[0])))


def document(found: Stats) -> dict[str, Any]:
    """All of it as JSON."""
    counts = {title: {str(name): number for name, number in ordered(each)} for title, each in tables(found).items()}
    return {"cases": found.cases, **counts, "uncalled": found.uncalled}
