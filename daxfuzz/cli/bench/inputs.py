"""``daxfuzz bench inputs``."""

from __future__ import annotations

import time
from dataclasses import asdict

import click

from daxfuzz.bench.random_inputs import Results, chunks, run_all
from daxfuzz.cli.bench.common import EXAMPLES, PROGRESS_EVERY, seed_option, workers_option
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import plural
from daxfuzz.cli.signals import interruptible
from daxfuzz.engines.fuzz import workers

SHOWN = 10
"""Errors and findings that are printed, at most."""


@click.command(epilog=EXAMPLES)
@click.option("--inputs", "count", type=click.IntRange(1), default=1_000_000, show_default=True, help="How many.")
@seed_option
@workers_option
@json_option
def inputs(count: int, seed: int, processes: int, as_json: bool) -> int:
    """Whether random bytes decode and run on every kernel without an internal error.

    Exit code: 0, or 1 if there was an error.
    """
    results = Results()
    with interruptible() as interrupted, workers(processes) as pool:
        last = time.monotonic()
        for part in run_all(pool, chunks(seed, count)):
            results.add(part)
            if time.monotonic() - last >= PROGRESS_EVERY:
                last = time.monotonic()
                errors = plural(len(results.errors), "internal error")
                click.echo(f"{results.inputs:,} of {plural(count, 'input')}, {errors}", err=True)
    if as_json:
        print_json(asdict(results) | {"seed": seed})
    else:
        show(results)
    if interrupted:
        return interrupted[0]
    return 1 if results.errors else 0


def show(results: Results) -> None:
    """The results for a reader."""
    click.echo(
        f"{plural(results.inputs, 'input')} ({plural(results.steps, 'step')}): "
        f"{plural(len(results.errors), 'internal error')}, {plural(results.findings, 'finding')}, "
        f"{len(results.repaired):,} of them where every known flaw is repaired."
    )
    for title, each in (("Errors", results.errors), ("Findings with every known flaw repaired", results.repaired)):
        if each:
            click.echo(f"\n{title}:")
        for line in each[:SHOWN]:
            click.echo(f"  {line}")
        if len(each) > SHOWN:
            click.echo(f"  ... and {len(each) - SHOWN:,} more; --json prints all")
