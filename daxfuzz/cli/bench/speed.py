"""``daxfuzz bench speed``."""

from __future__ import annotations

from dataclasses import asdict

import click

from daxfuzz.bench.speed import Speed, measure
from daxfuzz.cli.bench.common import EXAMPLES
from daxfuzz.cli.options import json_option, print_json


@click.command(epilog=EXAMPLES)
@click.option("--rounds", type=click.IntRange(1), default=100, show_default=True, help="Of which medians are taken.")
@json_option
def speed(rounds: int, as_json: bool) -> int:
    """Microseconds of processor time per step, in one process, beside the floor: a bare coroutine switch."""
    measured = measure(rounds)
    if as_json:
        document = asdict(measured)
        costs = document.pop("strategies")
        print_json(
            {name: round(value, 4) for name, value in document.items()}
            | {
                "strategies": {
                    name: {"us_per_step": round(cost, 4), "ratio_to_random_walk": round(measured.ratio(name), 3)}
                    for name, cost in costs.items()
                }
            }
        )
    else:
        show(measured)
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
    for name, cost in measured.strategies.items():
        click.echo(f"{'model, ' + name:36} {cost:8.3f} us per step  {measured.ratio(name):6.2f} x random walk")
