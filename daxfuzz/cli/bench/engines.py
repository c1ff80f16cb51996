"""``daxfuzz bench engines``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from daxfuzz.bench.bugs import ENGINES, hunts
from daxfuzz.bench.engines import DEEP, Guidance, Rate, compare_rates, guidance
from daxfuzz.cli.bench.bugs import measure, opened, runs
from daxfuzz.cli.bench.common import EXAMPLES, seed_option, workers_option
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import plural
from daxfuzz.cli.signals import interruptible
from daxfuzz.engines.atheris.harness import load_atheris
from daxfuzz.protocols.registry import bug


@click.command(epilog=EXAMPLES)
@click.option("--rounds", type=click.IntRange(0), default=5, show_default=True, help="Measurements of the speed.")
@click.option(
    "--executions", type=click.IntRange(100), default=4_000, show_default=True, help="Of each engine in a round."
)
@click.option("--seeds", type=click.IntRange(0), default=5, show_default=True, help="Hunts of each bug, in pairs.")
@click.option("--bug", "slugs", multiple=True, metavar="SLUG", help="Instead of 12 deep ones. Repeatable.")
@click.option(
    "--hunt", type=click.IntRange(1), default=20_000, show_default=True, help="Executions of a hunt, at most."
)
@seed_option
@workers_option
@click.option(
    "--results",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("bench-engines.jsonl"),
    show_default=True,
    metavar="FILE",
    help="Where hunts go as they come; those that are there already are not made again.",
)
@json_option
def engines(
    rounds: int,
    executions: int,
    seeds: int,
    slugs: tuple[str, ...],
    hunt: int,
    seed: int,
    processes: int,
    results: Path,
    as_json: bool,
) -> int:
    """The speed of the atheris engine beside the built-in one, and whether its features guide it.

    Each bug is hunted in pairs of runs with the same seed, with features and without; a sign test says what that
    tells. No speed is measured with --rounds 0, nothing hunted with --seeds 0.
    """
    load_atheris()
    chosen = [bug(slug) for slug in dict.fromkeys(slugs or DEEP)]
    wanted = list(hunts(chosen, list(ENGINES), range(seed, seed + seeds), hunt))
    journal = opened(results) if wanted else None
    rates: list[Rate] = []
    with interruptible() as interrupted:
        for number in range(rounds):
            rates.append(compare_rates(seed + number, executions))
            click.echo(f"round {number + 1}: {rate_line(rates[-1])}", err=True)
        if journal is not None:
            done = runs(wanted, journal)
            measure([each for each in wanted if each not in done], len(done), journal, processes)
    guided = None if journal is None else guidance(runs(wanted, journal))
    if as_json:
        print_json(document(rates, guided))
    else:
        show(rates, guided)
    return interrupted[0] if interrupted else 0


def document(rates: list[Rate], guided: Guidance | None) -> dict[str, object]:
    """All figures as JSON."""
    middle = middle_of(rates)
    return {
        "speed": None if middle is None else asdict(middle) | {"ratio": middle.ratio},
        "rounds": [asdict(rate) | {"ratio": rate.ratio} for rate in rates],
        "guidance": None if guided is None else asdict(guided),
    }


def middle_of(rates: list[Rate]) -> Rate | None:
    """The round with the median ratio, the lower one of two."""
    return sorted(rates, key=lambda rate: rate.ratio)[(len(rates) - 1) // 2] if rates else None


def show(rates: list[Rate], guided: Guidance | None) -> None:
    """The figures for a reader."""
    middle = middle_of(rates)
    if middle is not None:
        click.echo(f"{rate_line(middle)} (median of {plural(len(rates), 'round')})")
    if guided is not None:
        pairs = guided.sooner + guided.later + guided.equal
        click.echo(
            f"With features sooner in {guided.sooner} of {plural(pairs, 'pair')}, later in {guided.later}: "
            f"p = {guided.p_value:.2g} (one-sided sign test)"
        )


def rate_line(rate: Rate) -> str:
    """Both speeds in one line."""
    return (
        f"atheris with features {rate.atheris:,.0f} executions per second of processor time, built-in "
        f"{rate.builtin:,.0f}: {rate.ratio:.2f} times"
    )
