"""``daxfuzz bench``: the project's own measurements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

from daxfuzz.bench.flaws import Outcome, Target, reachability
from daxfuzz.bench.gup_fast import race
from daxfuzz.bench.patch_runs import PLANS
from daxfuzz.bench.patches import PatchResult, RunResult, Space, compare_patches
from daxfuzz.bench.reachability import FLAWS, GENERATIONS, NEVER, Cell, cells
from daxfuzz.bench.speed import Speed, measure
from daxfuzz.cli.errors import INTERNAL, INTERRUPTED, say
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import plural, stdout_console
from daxfuzz.engines.fuzz import Status, workers
from daxfuzz.program.dax_file import dumps_case, save_case
from daxfuzz.protocols.registry import unknown

EXAMPLES = """
\b
Example:
  daxfuzz bench speed --json
  daxfuzz bench gup-fast --executions 1000000
  daxfuzz bench flaws --flaw F-07 --cases cases
  daxfuzz bench patches --patch 2 --json
"""

PROGRESS_EVERY = 5.0
"""Seconds between two lines of progress on one kernel."""

seed_option = click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
workers_option = click.option(
    "--workers", "processes", type=click.IntRange(0, 4096), default=0, help="Processes; 0 for one per core."
)


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


# -- flaws -------------------------------------------------------------------------------------------------------


@bench.command(epilog=EXAMPLES)
@click.option("--flaw", "flaws", multiple=True, metavar="F-NN", help="Only this row. Repeatable.")
@click.option("--protocol", "protocols", multiple=True, help="Only this column, by name or as G1a. Repeatable.")
@click.option("--executions", type=click.IntRange(1), default=200_000, show_default=True, help="At most, per cell.")
@seed_option
@workers_option
@click.option(
    "--cases",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the minimized case of each flaw that is found.",
)
@json_option
def flaws(
    flaws: tuple[str, ...],
    protocols: tuple[str, ...],
    executions: int,
    seed: int,
    processes: int,
    directory: Path | None,
    as_json: bool,
) -> int:
    """Which known flaw is found on which protocol, beside what analysis expects.

    Each flaw is looked for where all others that the protocol has are repaired. Exit code: 0, or 70 if a search
    failed.
    """
    wanted = chosen(flaws, protocols)
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    progress = Progress()
    outcomes: list[Outcome] = []
    paths: list[str | None] = []
    with interruptible() as interrupted, workers(processes) as pool:
        for outcome in reachability(pool, wanted, executions, seed, progress.update):
            outcomes.append(outcome)
            paths.append(written_case(outcome, directory))
            progress.outcome(outcome)
    if as_json:
        print_json({"flaws": [flaw_entry(*pair) for pair in zip(outcomes, paths, strict=True)]})
    else:
        stdout_console().print(flaw_table(outcomes))
        click.echo(LEGEND)
    if interrupted:
        return INTERRUPTED
    return INTERNAL if any(outcome.failed for outcome in outcomes) else 0


LEGEND = """\
x plain run, r race, u unbind, m masked or mutation, - not reachable, ? unknown: what is expected
@N found in execution N, no: not found, n/a: cannot be run yet, err: the search failed"""


def chosen(flaws: Sequence[str], protocols: Sequence[str]) -> list[Cell]:
    """The cells of some rows and columns, of all if none is named. Raises UnknownName."""
    for flaw in flaws:
        if flaw not in FLAWS:
            raise unknown("flaw", flaw, list(FLAWS))
    names = [name for each in GENERATIONS for name in (each.column, each.name)]
    for protocol in protocols:
        if protocol not in names:
            raise unknown("protocol", protocol, names)
    return [
        cell
        for cell in cells()
        if (not flaws or cell.row in flaws)
        and (not protocols or cell.generation.name in protocols or cell.generation.column in protocols)
    ]


class Progress:
    """Lines on stderr: how far the search for a flaw is, and what came of it."""

    def __init__(self) -> None:
        self.target: Target | None = None
        self.last = 0.0

    def update(self, target: Target, status: Status) -> None:
        """Called whenever anything has changed."""
        if target is not self.target:
            self.target, self.last = target, 0.0
        if status.seconds - self.last >= PROGRESS_EVERY:
            self.last = status.seconds
            cell = target.cell
            where = f"{cell.flaw} on {cell.generation.name}, {target.kernel.spec.filesystem}"
            click.echo(f"{where}: {status.executions:,} of {target.executions:,} executions", err=True)

    def outcome(self, outcome: Outcome) -> None:
        """One line for each cell that was run, or could not be."""
        cell = outcome.cell
        if cell.expected == NEVER:
            return
        if outcome.found:
            result = f"found in {outcome.executions:,} executions"
        elif outcome.found is None:
            result = outcome.reason
        else:
            result = f"not found in {outcome.executions:,} executions"
        click.echo(f"{cell.flaw} on {cell.generation.name}: {result}", err=True)


def written_case(outcome: Outcome, directory: Path | None) -> str | None:
    """Where the case of an outcome was written, None if there is none or nobody wants it."""
    if directory is None or outcome.case is None:
        return None
    parts = f"{outcome.cell.generation.name} {outcome.cell.flaw} {outcome.case.finding}".lower()
    path = directory / (re.sub(r"[^a-z0-9]+", "-", parts) + ".dax")
    save_case(path, dumps_case(outcome.case))
    return str(path)


def flaw_entry(outcome: Outcome, path: str | None) -> dict[str, Any]:
    """One cell as JSON."""
    cell = outcome.cell
    return {
        "flaw": cell.flaw,
        "title": cell.title,
        "generation": cell.generation.column,
        "protocol": cell.generation.name,
        "expected": cell.expected,
        "condition": str(cell.condition),
        "found": outcome.found,
        "executions": outcome.executions,
        "filesystem": outcome.filesystem,
        "case": path,
        "tasks": outcome.tasks,
        "preemptions": outcome.preemptions,
        "others": list(outcome.others),
        "reason": outcome.reason,
    }


def flaw_table(outcomes: Iterable[Outcome]) -> Table:
    """Flaws by generations, as far as there are outcomes."""
    rows: dict[str, dict[str, str]] = {}
    titles: dict[str, str] = {}
    columns: dict[str, None] = {}
    for outcome in outcomes:
        cell = outcome.cell
        titles[cell.row] = cell.title
        columns[cell.generation.column] = None
        rows.setdefault(cell.row, {})[cell.generation.column] = f"{cell.expected} {in_short(outcome)}".strip()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("flaw", no_wrap=True)
    table.add_column("")
    shown = [generation.column for generation in GENERATIONS if generation.column in columns]
    for column in shown:
        table.add_column(column, no_wrap=True)
    for row, found in rows.items():
        table.add_row(row, titles[row], *(found.get(column, "") for column in shown))
    return table


def in_short(outcome: Outcome) -> str:
    """What came of a cell, in a few characters."""
    if outcome.found:
        return f"@{outcome.executions}"
    if outcome.found is False:
        return "no"
    if outcome.failed:
        return "err"
    return "" if outcome.cell.expected == NEVER else "n/a"


# -- patches -----------------------------------------------------------------------------------------------------


@bench.command(epilog=EXAMPLES)
@click.option(
    "--patch", "numbers", multiple=True, type=click.IntRange(1, len(PLANS)), help="Only this one. Repeatable."
)
@click.option(
    "--executions",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="With equal turns, for each patch that only renames or moves code.",
)
@seed_option
@workers_option
@json_option
def patches(numbers: tuple[int, ...], executions: int, seed: int, processes: int, as_json: bool) -> int:
    """Each patch of series-v1 against the kernel before it: what tells them apart, or that nothing does."""
    plans = [plan for plan in PLANS if not numbers or plan.number in numbers]
    results: list[PatchResult] = []
    with interruptible() as interrupted, workers(processes) as pool:
        for result in compare_patches(pool, plans, executions, seed, lambda text: click.echo(text, err=True)):
            results.append(result)
            if not as_json:
                show_patch(result)
    if as_json:
        print_json({"patches": [patch_entry(result) for result in results]})
    return INTERRUPTED if interrupted else 0


def show_patch(result: PatchResult) -> None:
    """One patch for a reader."""
    click.echo(f"{result.plan.number:02}  {result.plan.title}")
    if result.equivalence is not None:
        same = result.equivalence
        verdict = "equal traces" if same.holds else f"TRACES DIFFER first at execution {same.first}"
        click.echo(f"    {verdict} in {same.executions:,} executions on {', '.join(same.filesystems)}")
    elif result.plan.pure:
        click.echo(f"    not available: {result.reason}")
    for run in result.runs:
        click.echo(f"    {run.run.name}  {run.run.what}")
        click.echo(f"        {run_verdict(run)}")
        if run.result_before is not None and run.result_after is not None:
            click.echo(f"        {run.before}: {space_text(run.result_before)}")
            click.echo(f"        {run.after}: {space_text(run.result_after)}")


def run_verdict(run: RunResult) -> str:
    """Whether a run tells the kernels apart."""
    if run.differs is None:
        return f"not available: {run.reason}"
    differs = "differs" if run.differs else "equal"
    return f"{differs}, NOT AS EXPECTED" if run.as_expected is False else differs


def space_text(space: Space) -> str:
    """What was observed, in how many schedules."""
    cut = "" if space.complete else ", cut"
    return f"{' | '.join(space.observed)} ({plural(space.schedules, 'schedule')}{cut})"


def patch_entry(result: PatchResult) -> dict[str, Any]:
    """One patch as JSON."""
    same = result.equivalence
    return {
        "patch": result.plan.number,
        "title": result.plan.title,
        "equivalent": None if same is None else same.holds,
        "equivalence": None if same is None else asdict(same),
        "reason": result.reason,
        "runs": [run_entry(run) for run in result.runs],
    }


def run_entry(result: RunResult) -> dict[str, Any]:
    """One run as JSON; without results where it is not available."""
    run = result.run
    return {
        "name": run.name,
        "what": run.what,
        "program": result.program,
        "before": result.before,
        "after": result.after,
        "compared": run.observe,
        "preemptions": run.preemptions,
        "available": result.differs is not None,
        "reason": result.reason,
        "result_before": None if result.result_before is None else asdict(result.result_before),
        "result_after": None if result.result_after is None else asdict(result.result_after),
        "differs": result.differs,
        "expected": run.differs,
        "as_expected": result.as_expected,
    }


@contextmanager
def interruptible() -> Iterator[list[bool]]:
    """Ctrl-C ends the block early; the list is empty unless it did."""
    interrupted: list[bool] = []
    try:
        yield interrupted
    except KeyboardInterrupt:
        interrupted.append(True)
        say("interrupted; this is what there was")
