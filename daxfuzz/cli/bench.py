"""``daxfuzz bench``: the project's own measurements."""

from __future__ import annotations

from dataclasses import asdict

import click

from daxfuzz.bench.gup_fast import race
from daxfuzz.bench.speed import Speed, measure
from daxfuzz.cli.options import json_option, print_json

EXAMPLES = """
\b
Example:
  daxfuzz bench speed --json
  daxfuzz bench gup-fast --executions 1000000
"""


@click.group(epilog=EXAMPLES)
def bench() -> None:
    """The project's own measurements."""


@bench.command(epilog=EXAMPLES)
@click.option("--rounds", type=click.IntRange(1), default=100, show_default=True, help="Of which medians are taken.")
@json_option
def speed(rounds: int, as_json: bool) -> int:
    """Microseconds of processor time per step, in one process, beside the floor: a bare coroutine switch."""
    measured = measure(rounds)
    if as_json:
        print_json({name: round(value, 4) for name, value in asdict(measured).items()})
    else:
        show(measured)
    return 0


@bench.command("gup-fast", epilog=EXAMPLES)
@click.option("--protocol", default="pin-wait-fixed", show_default=True, help="Which has to stay silent.")
@click.option("--executions", type=click.IntRange(1), default=20_000, show_default=True, help="On each kernel.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--workers", type=click.IntRange(0), default=0, help="Processes; 0 for one per core.")
@json_option
def gup_fast(protocol: str, executions: int, seed: int, workers: int, as_json: bool) -> int:
    """GUP-fast against the layout scan (F-03), with the re-check of the page-table entry and without."""
    results = race(protocol, executions, seed, workers)
    if as_json:
        print_json({"races": [asdict(result) for result in results]})
        return 0
    for result in results:
        click.echo(
            f"{result.kernel}: {result.failures:,} failures in {result.executions:,} executions"
            + (f" ({', '.join(result.kinds)}), the first at {result.first:,}" if result.first is not None else "")
        )
    return 0


def show(measured: Speed) -> None:
    """The figures for a reader."""
    floor = measured.floor_us_per_step
    lines = [
        ("floor: bare coro.send", floor),
        ("stepper, precomputed schedule", measured.stepper_us_per_step),
        ("stepper, random walk", measured.random_us_per_step),
        ("model: 3 tasks on ext4, all oracles", measured.model_us_per_step),
        ("Trio, precomputed schedule", measured.trio_us_per_step),
    ]
    for what, value in lines:
        click.echo(f"{what:36} {value:8.3f} us per step  {value / floor:6.1f} x floor")
    click.echo(
        f"{'model, one process':36} {measured.executions_per_second:8,.0f} executions/s "
        f"of {measured.steps_per_execution:.0f} steps"
    )
