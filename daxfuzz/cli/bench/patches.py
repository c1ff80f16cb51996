"""``daxfuzz bench patches``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from daxfuzz.bench.patch_runs import PLANS
from daxfuzz.bench.patches import PatchResult, RunResult, Space, compare_patches
from daxfuzz.cli.bench.common import EXAMPLES, seed_option, workers_option
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import plural
from daxfuzz.cli.signals import interruptible
from daxfuzz.engines.fuzz import workers


@click.command(epilog=EXAMPLES)
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
    return interrupted[0] if interrupted else 0


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
