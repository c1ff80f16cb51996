"""``daxfuzz bench verify``."""

from __future__ import annotations

import click

from daxfuzz.bench.beside_spin import Searched, compare
from daxfuzz.bench.spin import SpinMissing
from daxfuzz.cli.bench.common import EXAMPLES
from daxfuzz.cli.errors import OneLineError
from daxfuzz.cli.options import json_option, print_json


@click.command(epilog=EXAMPLES)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Of which medians are taken.")
@json_option
def verify(rounds: int, as_json: bool) -> int:
    """Exhaustive search beside SPIN: states per second of processor time on the same small program.

    Exits 1 if the two do not see the same states, transitions and findings. Needs spin and gcc.
    """
    try:
        beside = compare(rounds=rounds)
    except SpinMissing as missing:
        raise OneLineError(str(missing)) from None
    agree = beside.daxfuzz.agrees(beside.spin)
    if as_json:
        document = {"daxfuzz": row(beside.daxfuzz), "spin": row(beside.spin)}
        print_json({**document, "ratio": round(beside.ratio, 2), "agree": agree})
    else:
        for name, searched in (("daxfuzz", beside.daxfuzz), ("SPIN", beside.spin)):
            click.echo(
                f"{name:8} {searched.states:10,} states {searched.transitions:10,} transitions "
                f"{searched.seconds:8.2f} s {searched.states_per_second:10,.0f} states/s"
            )
        click.echo(f"SPIN sees {beside.ratio:.1f} times as many states per second")
        if not agree:
            click.echo("the two disagree")
    return 0 if agree else 1


def row(searched: Searched) -> dict[str, object]:
    """One search as data."""
    return {
        "states": searched.states,
        "transitions": searched.transitions,
        "findings": sorted(searched.findings),
        "seconds": round(searched.seconds, 4),
        "states_per_second": round(searched.states_per_second),
    }
