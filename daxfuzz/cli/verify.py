"""``daxfuzz verify``: every interleaving of a case's program."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from daxfuzz.cli.errors import OneLineError
from daxfuzz.cli.options import Duration, json_option, patch_option, print_json
from daxfuzz.cli.output import clock, plural
from daxfuzz.program.case import Case
from daxfuzz.program.dax_file import dumps_case, load_case, save_case
from daxfuzz.search import Bounds, Reduction, Verdict
from daxfuzz.search.bounds import LONGEST, MEBIBYTE
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.cutoff import Point, cutoff
from daxfuzz.triage.finding import Finding
from daxfuzz.triage.replay import NONE
from daxfuzz.triage.user_choice import with_patches
from daxfuzz.triage.verify import Verified
from daxfuzz.triage.verify import verify as verified

BOUND_REACHED = 3

UNITS = {"bias": "plain references", "pages": "pages", "tasks": "tasks"}

EXAMPLES = """
\b
Examples:
  daxfuzz verify findings/lost-wakeup.dax
  daxfuzz verify small.dax --patch my_patch.py --time 10m
  daxfuzz verify large.dax --preemptions 2
  daxfuzz verify lost-wakeup.dax --cutoff bias
"""

SECONDS_BETWEEN = 1.0
"""Between two lines of progress."""


@click.command(epilog=EXAMPLES)
@click.argument("case", metavar="CASE")
@patch_option("A file whose patches the case names, or something to apply on top. Repeatable.")
@click.option(
    "--reduction",
    type=click.Choice([each.value for each in Reduction]),
    help="What to leave out because it shows nothing new. [default: sleep; none with --preemptions or --steps]",
)
@click.option("--preemptions", type=click.IntRange(min=0), metavar="N", help="At most so many in one execution.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Follow no execution any further.")
@click.option("--executions", type=click.IntRange(min=1), metavar="N", help="Stop after so many.")
@click.option("--time", "seconds", type=Duration(), metavar="TIME", help="Stop after so long: 90, 60s, 5m, 2h.")
@click.option("--memory", type=click.IntRange(min=1), metavar="MIB", help="Stop when the process has had so much.")
@click.option(
    "--cutoff",
    "scale",
    type=click.Choice(["bias", "pages", "tasks"]),
    help="Search the program at one scale after the other, for the smallest at which its finding appears.",
)
@click.option("--keep-going", is_flag=True, help="Do not stop at the first finding.")
@click.option(
    "-o", "--output", "directory", type=click.Path(path_type=Path), metavar="DIR", help="Write findings here."
)
@json_option
def verify(
    case: str,
    patches: tuple[str, ...],
    reduction: str | None,
    preemptions: int | None,
    steps: int | None,
    executions: int | None,
    seconds: float | None,
    memory: int | None,
    scale: str | None,
    keep_going: bool,
    directory: Path | None,
    as_json: bool,
) -> int:
    """Run every interleaving of a case's program; its schedule does not matter.

    A state that was seen before is not followed again. A finding counts once it has reproduced as Trio tasks.

    Exit code: 0 exhausted and clean, 1 there is a finding, 3 a bound was reached.
    """
    bounded = preemptions is not None or steps is not None
    chosen = Reduction(reduction) if reduction else Reduction.NONE if bounded else Reduction.SLEEP
    if bounded and chosen is not Reduction.NONE:
        raise click.UsageError("--preemptions and --steps go with --reduction none only")
    loaded = load_case(case)
    kernel = with_patches(loaded.kernel, patches)
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    bounds = Bounds(preemptions, steps, executions, seconds, None if memory is None else memory * MEBIBYTE)
    if scale is not None:
        return show_cutoff(loaded, kernel, scale, bounds, chosen, as_json)
    result = verified(loaded.program, kernel, bounds, chosen, keep_going=keep_going, on_progress=Progress())
    files = written(result.findings, directory)
    if as_json:
        print_json(document(result, chosen, bounds, files))
    else:
        show(result, bounds, files)
    if result.findings:
        return 1
    return 0 if result.verdict.exhausted else BOUND_REACHED


def show_cutoff(
    case: Case, kernel: KernelChoice, scale: str, bounds: Bounds, reduction: Reduction, as_json: bool
) -> int:
    """Print the smallest scale of a finding."""
    if case.finding == NONE:
        raise OneLineError("--cutoff needs a case that declares a finding")

    def told(point: Point) -> None:
        outcome = case.finding if point.shown else "clean" if point.exhausted else "bound reached"
        click.echo(f"bias {point.bias}, {point.count} {UNITS[scale]}: {outcome}", err=True)

    result = cutoff(case, kernel, scale, bounds, reduction, told)
    if as_json:
        points = [asdict(point) for point in result.points]
        print_json({"cutoff": scale, "finding": case.finding, "points": points, "statement": result.statement})
    else:
        click.echo(f"{result.statement}.")
    if any(point.shown for point in result.points):
        return 1
    return 0 if all(point.exhausted for point in result.points) else BOUND_REACHED


class Progress:
    """Prints to stderr now and then how far it is."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def __call__(self, verdict: Verdict) -> None:
        now = time.monotonic()
        if now - self.last < SECONDS_BETWEEN:
            return
        self.last = now
        left = (1 - verdict.coverage) * verdict.seconds / verdict.coverage if verdict.coverage else 0.0
        estimate = f"about {clock(left)} left at most" if 0 < left < 360_000 else "no end in sight"
        click.echo(
            f"{clock(verdict.seconds)}  {plural(verdict.executions, 'execution')}, {plural(verdict.states, 'state')}, "
            f"{verdict.coverage:.2%} of the tree, {estimate}",
            err=True,
        )


def written(findings: list[Finding], directory: Path | None) -> list[str]:
    """Write findings as cases: their paths."""
    if directory is None:
        return []
    paths = [directory / each.file_name() for each in findings]
    for path, each in zip(paths, findings, strict=True):
        save_case(path, dumps_case(each.case))
    return [str(path) for path in paths]


def document(result: Verified, reduction: Reduction, bounds: Bounds, files: list[str]) -> dict[str, Any]:
    """The outcome as JSON."""
    verdict = result.verdict
    return {
        "exhausted": verdict.exhausted,
        "bound": verdict.bound,
        "bounds": asdict(bounds),
        "reduction": reduction.value,
        "executions": verdict.executions,
        "complete": verdict.complete,
        "states": verdict.states,
        "final_states": len(verdict.final),
        "transitions": verdict.transitions,
        "cycles": verdict.cycles,
        "longest": verdict.depth,
        "seconds": round(verdict.seconds, 3),
        "coverage": verdict.coverage,
        "findings": [
            {
                "kind": each.kind,
                "signature": each.signature,
                "message": each.message,
                "explained_by": list(each.explained_by),
                "steps": " ".join(f"{task}*{count}" for task, count in each.case.schedule.steps),
                "file": file,
            }
            for each, file in zip(result.findings, files or [""] * len(result.findings), strict=True)
        ],
    }


def show(result: Verified, bounds: Bounds, files: list[str]) -> None:
    """The outcome for a reader."""
    for number, each in enumerate(result.findings):
        click.echo(f"{each.kind}: {each.message}.")
        click.echo(f"  {each.signature}")
        click.echo(f'  steps = "{" ".join(f"{task}*{count}" for task, count in each.case.schedule.steps)}"')
        if files:
            click.echo(f"  written to {files[number]}")
    verdict = result.verdict
    click.echo(statement(verdict, bounds, bool(result.findings)))
    click.echo(
        f"{plural(verdict.executions, 'execution')} ({verdict.complete:,} to the end), "
        f"{plural(verdict.states, 'state')}, {len(verdict.final):,} of them final; "
        f"{plural(verdict.transitions, 'transition')}, longest execution {plural(verdict.depth, 'step')}, "
        f"{verdict.seconds:.1f} s."
    )
    if verdict.cycles:
        click.echo(f"{plural(verdict.cycles, 'transition')} back to an earlier state of the same execution.")


def statement(verdict: Verdict, bounds: Bounds, found: bool) -> str:
    """What was exhausted."""
    but = "" if not found else ", except beyond findings"
    match verdict.bound:
        case "":
            return f"Exhausted: every interleaving{but}." if found else "Exhausted: every interleaving, all clean."
        case "finding":
            return "Stopped at the first finding; --keep-going looks for more."
        case "preemptions":
            return (
                f"Bound reached: every interleaving with at most {plural(bounds.preemptions or 0, 'preemption')}{but}."
            )
        case "steps":
            most = f"with at most {plural(bounds.preemptions, 'preemption')} " if bounds.preemptions is not None else ""
            return f"Bound reached: the first {plural(bounds.steps or 0, 'step')} of every interleaving {most}{but}."
        case "length":
            return f"Bound reached: executions of more than {plural(LONGEST, 'step')} were not followed to their end."
    done = f"{verdict.coverage:.1%} of the tree of choices"
    total = f", about {verdict.estimate:,.0f} executions in all at most" if verdict.coverage else ""
    return f"Bound reached ({verdict.bound}): {done}{total}. Nothing is said about the rest."
