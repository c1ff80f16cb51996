"""``daxfuzz bench schedulers``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from daxfuzz.bench.journal import Journal
from daxfuzz.bench.schedulers.exact import Sample, samples
from daxfuzz.bench.schedulers.programs import PROGRAMS
from daxfuzz.bench.schedulers.rows import rows
from daxfuzz.bench.schedulers.small import SMALL
from daxfuzz.bench.schedulers.strategies import CONTESTANTS
from daxfuzz.bench.schedulers.trials import Outcome, Trial, run_all, trials
from daxfuzz.cli.bench.bugs import bar, opened
from daxfuzz.cli.bench.common import EXAMPLES, seed_option, workers_option
from daxfuzz.cli.bench.schedulers_display import document, show
from daxfuzz.cli.errors import OneLineError
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import plural
from daxfuzz.cli.signals import interruptible
from daxfuzz.engines.fuzz import workers
from daxfuzz.protocols.registry import unknown


@click.command(epilog=EXAMPLES)
@click.option("--program", "programs", multiple=True, metavar="NAME", help="Only this one. Repeatable.")
@click.option("--strategy", "strategies", multiple=True, metavar="NAME", help="Only this one. Repeatable.")
@click.option("--trials", "count", type=click.IntRange(1), default=20, show_default=True, help="Of each.")
@seed_option
@click.option("--executions", type=click.IntRange(1), default=10_000, show_default=True, help="At most, per trial.")
@click.option(
    "--samples",
    "sampled",
    type=click.IntRange(0),
    default=10_000,
    show_default=True,
    help="Executions of each program of few steps, beside the exact probability.",
)
@workers_option
@click.option(
    "--results",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("bench-schedulers.jsonl"),
    show_default=True,
    metavar="FILE",
    help="Where trials go as they come; those that are there already are not made again.",
)
@json_option
def schedulers(
    programs: tuple[str, ...],
    strategies: tuple[str, ...],
    count: int,
    seed: int,
    executions: int,
    sampled: int,
    processes: int,
    results: Path,
    as_json: bool,
) -> int:
    """How many schedules each strategy needs to the first bug of programs of SCTBench, beside published figures.

    The programs have nothing to do with DAX. Published are the means of two artifacts: S, of the paper on SURW, and
    R, of that on RFF. Programs of at most 12 steps come on top, all interleavings of which are known: how often each
    strategy hits the bug, beside the exact probability.
    """
    check_names(programs, strategies)
    chosen = tuple(dict.fromkeys(strategies)) or tuple(CONTESTANTS)
    large = [name for name in programs if name in PROGRAMS] if programs else list(PROGRAMS)
    small = [name for name in programs if name in SMALL] if programs else list(SMALL)
    wanted = list(trials(large, chosen, range(seed, seed + count), executions))
    journal = opened(results)
    done = outcomes(wanted, journal)
    exact: list[Sample] = []
    with interruptible() as interrupted, workers(processes) as pool:
        if sampled:
            exact += samples(pool, small, chosen, sampled, seed)
        if done:
            click.echo(f"{plural(len(done), 'trial')} taken from {journal.path}", err=True)
        missing = [each for each in wanted if each not in done]
        with bar() as progress:
            task = progress.add_task("trials", total=len(wanted), completed=len(done), last="")
            for trial, outcome in run_all(pool, missing):
                journal.add(trial.key, asdict(outcome))
                progress.update(task, advance=1, last=in_words(trial, outcome))
    measured = list(rows(outcomes(wanted, journal)))
    if as_json:
        print_json(document(measured, exact))
    else:
        show(measured, exact)
    return interrupted[0] if interrupted else 0


def check_names(programs: Sequence[str], strategies: Sequence[str]) -> None:
    """Raises UnknownName."""
    for name in programs:
        if name not in PROGRAMS and name not in SMALL:
            raise unknown("program", name, [*PROGRAMS, *SMALL])
    for name in strategies:
        if name not in CONTESTANTS:
            raise unknown("strategy", name, list(CONTESTANTS))


def outcomes(wanted: Sequence[Trial], journal: Journal) -> dict[Trial, Outcome]:
    """The trials that the journal has, in the order in which they are wanted. Raises OneLineError."""
    done = {}
    for each in wanted:
        if each.key in journal.results:
            try:
                done[each] = Outcome.from_json(journal.results[each.key])
            except ValueError as error:
                raise OneLineError(f"{journal.path}: {each.key}: {error}; give another file") from None
    return done


def in_words(trial: Trial, outcome: Outcome) -> str:
    """What came of a trial."""
    found = f"{outcome.executions:,}" if outcome.found else f"nothing in {outcome.executions:,}"
    return f"{trial.program}, {trial.strategy}: {found}"
