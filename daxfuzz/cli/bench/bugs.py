"""``daxfuzz bench bugs``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from daxfuzz.bench.bugs import ENGINES, PORTFOLIO, Hunt, Run, clean_hunts, hunt_all, hunts
from daxfuzz.bench.comparison import Comparison, compare
from daxfuzz.bench.journal import Journal, JournalError
from daxfuzz.bench.survival import Score, score
from daxfuzz.bench.survival_plot import FORMATS, plot
from daxfuzz.cli.bench.common import EXAMPLES, seed_option, workers_option
from daxfuzz.cli.errors import OneLineError
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import at_most, plural, stdout_console
from daxfuzz.cli.signals import interruptible
from daxfuzz.engines.fuzz import workers
from daxfuzz.protocols.patch import Bug
from daxfuzz.protocols.registry import BUGS, bug, unknown
from daxfuzz.search import STRATEGIES


@click.command(epilog=EXAMPLES)
@click.option("--bug", "slugs", multiple=True, metavar="SLUG", help="Only this one. Repeatable.")
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    metavar="NAME",
    help="Instead of the whole portfolio; atheris is one, too. Repeatable.",
)
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="Runs of each bug and strategy.")
@seed_option
@click.option("--executions", type=click.IntRange(1), default=200_000, show_default=True, help="At most, per run.")
@click.option(
    "--clean",
    type=click.IntRange(0),
    default=20_000,
    show_default=True,
    help="Executions of each kernel without its bugs.",
)
@workers_option
@click.option(
    "--results",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("bench-bugs.jsonl"),
    show_default=True,
    metavar="FILE",
    help="Where results go as they come; those that are there already are not measured again.",
)
@click.option(
    "--plot", "picture", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Draw survival curves."
)
@json_option
def bugs(
    slugs: tuple[str, ...],
    strategies: tuple[str, ...],
    seeds: int,
    seed: int,
    executions: int,
    clean: int,
    processes: int,
    results: Path,
    picture: Path | None,
    as_json: bool,
) -> int:
    """How soon each strategy finds each known bug again, over several seeds.

    Exit code: 0, or 1 if anything was found on a kernel without its bug.
    """
    for name in strategies:
        if name not in (PORTFOLIO, *ENGINES, *STRATEGIES):
            raise unknown("strategy", name, [PORTFOLIO, *ENGINES, *STRATEGIES])
    if picture is not None and picture.suffix[1:] not in FORMATS:
        raise OneLineError(f"--plot {picture}: the name ends with {', '.join('.' + each for each in FORMATS)}")
    if picture is not None and not picture.parent.is_dir():
        raise OneLineError(f"--plot {picture}: no such directory")
    chosen = [bug(slug) for slug in dict.fromkeys(slugs)] or list(BUGS.values())
    wanted = [
        *hunts(chosen, strategies or (PORTFOLIO,), range(seed, seed + seeds), executions),
        *clean_hunts(chosen, seed, clean),
    ]
    journal = opened(results)
    done = runs(wanted, journal)
    with interruptible() as interrupted:
        measure([each for each in wanted if each not in done], len(done), journal, processes)
    done = runs(wanted, journal)
    hunted = {each: run for each, run in done.items() if each.bug}
    control = [run for each, run in done.items() if not each.bug]
    if picture is not None and hunted:
        plot(hunted, picture)
    if as_json:
        rows = [entry(*each) for each in scores(hunted)]
        compared = compare(hunted)
        comparison = None if compared is None else asdict(compared)
        print_json({"bugs": rows, "clean": clean_entry(control), "comparison": comparison})
    else:
        show(hunted, control)
    if interrupted:
        return interrupted[0]
    return 1 if any(run.others for run in control) else 0


def opened(path: Path) -> Journal:
    """The results there are. Raises OneLineError, or OSError with the file's name."""
    try:
        return Journal(path)
    except JournalError as error:
        raise OneLineError(str(error)) from None


def runs(wanted: Sequence[Hunt], journal: Journal) -> dict[Hunt, Run]:
    """The runs that the journal has, in the order in which they are wanted. Raises OneLineError."""
    done = {}
    for each in wanted:
        if each.key in journal.results:
            try:
                done[each] = Run.from_json(journal.results[each.key])
            except ValueError as error:
                raise OneLineError(f"{journal.path}: {each.key}: {error}; give another file") from None
    return done


def measure(missing: Sequence[Hunt], done: int, journal: Journal, processes: int) -> None:
    """Make runs, and keep them in the journal. done: how many are there already."""
    if done:
        click.echo(f"{plural(done, 'run')} taken from {journal.path}", err=True)
    with bar() as progress, workers(processes) as pool:
        task = progress.add_task("runs", total=done + len(missing), completed=done, last="")
        for each, run in hunt_all(pool, missing):
            journal.add(each.key, asdict(run))
            progress.update(task, advance=1, last=in_words(each, run))


def bar() -> Progress:
    """How far the runs are, on stderr."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[last]}"),
        console=Console(stderr=True, highlight=False, markup=False),
    )


def in_words(hunt: Hunt, run: Run) -> str:
    """What came of a run."""
    name = hunt.bug or f"{hunt.kernel.spec.protocol} on {hunt.kernel.spec.filesystem}"
    return f"{name}: {run.kind or 'nothing'} in {run.executions:,}"


def scores(runs: Mapping[Hunt, Run]) -> Iterator[tuple[type[Bug], str, Score]]:
    """Each bug with each strategy, in the order of the runs."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for hunt, run in runs.items():
        groups.setdefault((hunt.bug, hunt.strategy), []).append(run)
    for (slug, strategy), group in groups.items():
        yield bug(slug), strategy, score(group)


def entry(hunted_bug: type[Bug], strategy: str, summed: Score) -> dict[str, Any]:
    """One bug with one strategy as JSON."""
    return {
        "bug": hunted_bug.slug(),
        "strategy": strategy,
        **asdict(summed),
        "kind": summed.kinds[0] if summed.kinds else None,
        "expected_kinds": list(hunted_bug.kinds),
    }


def clean_entry(control: Sequence[Run]) -> dict[str, Any]:
    """The kernels without bugs as JSON."""
    return {
        "executions": sum(run.executions for run in control),
        "findings": sum(len(run.others) for run in control),
        "kinds": sorted({kind for run in control for kind in run.others}),
    }


def show(hunted: Mapping[Hunt, Run], control: Sequence[Run]) -> None:
    """The scores for a reader."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("bug", no_wrap=True)
    table.add_column("strategy", no_wrap=True)
    for column in ("found", "median", "least", "most", "seconds"):
        table.add_column(column, justify="right")
    table.add_column("kind", overflow="fold")
    for hunted_bug, strategy, each in scores(hunted):
        table.add_row(
            hunted_bug.slug(),
            strategy,
            f"{each.found} of {each.seeds}",
            number(each.median_executions),
            number(each.min_executions),
            number(each.max_executions),
            "" if each.median_seconds is None else f"{each.median_seconds:.1f}",
            ", ".join(each.kinds),
        )
    stdout_console().print(table)
    medians = [each.median_executions for _, _, each in scores(hunted)]
    if medians and None not in medians:
        click.echo(f"\nMedian over the rows: {median(each for each in medians if each is not None):,.0f} executions.")
    click.echo(f"Found in {sum(run.kind is not None for run in hunted.values()):,} of {plural(len(hunted), 'run')}.")
    compared = compare(hunted)
    if compared is not None:
        show_comparison(compared)
    clean = clean_entry(control)
    said = f"Without the bugs: {plural(clean['findings'], 'finding')} in {plural(clean['executions'], 'execution')}"
    if clean["executions"] and not clean["findings"]:
        said += f": {at_most(clean['executions'])}"
    click.echo(f"{said}.")


def show_comparison(compared: Comparison) -> None:
    """Strategies beside each other, for a reader."""
    click.echo(f"\nGeometric mean over {plural(compared.bugs, 'bug')} of the mean executions to a finding:")
    for strategy, mean in sorted(compared.means.items(), key=lambda each: each[1].value):
        missed = compared.missed[strategy]
        bound = f", at least: never found {plural(missed, 'bug')}" if missed else ""
        click.echo(f"  {strategy:12} {mean.value:10,.0f}  ({mean.low:,.0f} to {mean.high:,.0f}){bound}")
    if compared.ratio is not None:
        ratio = compared.ratio
        click.echo(
            f"The portfolio needs {ratio.value:.2f} times ({ratio.low:.2f} to {ratio.high:.2f}) what the best single "
            f"strategy needs ({compared.best})."
        )


def number(value: float | None) -> str:
    """Executions, a dash where there are none."""
    return "-" if value is None else f"{value:,.0f}"
