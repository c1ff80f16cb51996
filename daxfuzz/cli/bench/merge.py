"""``daxfuzz bench merge``."""

from __future__ import annotations

import time
from dataclasses import asdict

import click

from daxfuzz.bench.merge import Loss, measure
from daxfuzz.cli.bench.common import EXAMPLES, PROGRESS_EVERY, seed_option, workers_option
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import plural
from daxfuzz.engines.fuzz import workers


@click.command(epilog=EXAMPLES)
@click.option("--inputs", "count", type=click.IntRange(1), default=2_000, show_default=True, help="How many.")
@seed_option
@workers_option
@json_option
def merge(count: int, seed: int, processes: int, as_json: bool) -> int:
    """Whether a merge keeps every feature that its inputs show: makes random and mutated inputs, merges them as corpus
    merge does, and runs those that are kept again.

    Exit code: 0, or 1 if a feature is missing.
    """
    last = time.monotonic()

    def told(what: str, number: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_EVERY:
            last = time.monotonic()
            click.echo(f"{number:,} of {plural(count, 'input')} {what}", err=True)

    with workers(processes) as pool:
        loss = measure(pool, seed, count, told)
    if as_json:
        print_json(asdict(loss) | {"seed": seed})
    else:
        click.echo(in_words(loss))
    return 1 if loss.missing else 0


def in_words(loss: Loss) -> str:
    """What came of it, in a line."""
    return (
        f"{plural(loss.inputs, 'input')} show {plural(loss.before, 'feature')}; {loss.kept:,} of them are kept and, "
        f"run again, show {loss.after:,}: {plural(len(loss.missing), 'feature')} missing."
    )
