"""``daxfuzz bench gup-fast``."""

from __future__ import annotations

from dataclasses import asdict

import click

from daxfuzz.bench.gup_fast import race
from daxfuzz.cli.bench.common import EXAMPLES, seed_option, workers_option
from daxfuzz.cli.options import json_option, print_json


@click.command("gup-fast", epilog=EXAMPLES)
@click.option("--protocol", default="pin-wait-fixed", show_default=True, help="Which has to stay silent.")
@click.option("--executions", type=click.IntRange(1), default=20_000, show_default=True, help="On each kernel.")
@seed_option
@workers_option
@json_option
def gup_fast(protocol: str, executions: int, seed: int, processes: int, as_json: bool) -> int:
    """GUP-fast against the layout scan (F-03), with the re-check of the page-table entry and without."""
    results = race(protocol, executions, seed, processes)
    if as_json:
        print_json({"races": [asdict(result) for result in results]})
        return 0
    for result in results:
        click.echo(
            f"{result.kernel}: {result.failures:,} failures in {result.executions:,} executions"
            + (f" ({', '.join(result.kinds)}), the first at {result.first:,}" if result.first is not None else "")
        )
    return 0
