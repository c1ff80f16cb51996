"""How ``daxfuzz bench schedulers`` shows what it has measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from rich import box
from rich.table import Table

from daxfuzz.bench.schedulers.checks import FACTOR, Comparison, comparisons, facts
from daxfuzz.bench.schedulers.exact import LEVEL, Sample, agrees
from daxfuzz.bench.schedulers.published import TRIALS, Figure
from daxfuzz.bench.schedulers.rows import Row
from daxfuzz.cli.output import stdout_console


def document(rows: Sequence[Row], exact: Sequence[Sample]) -> dict[str, Any]:
    """Everything as JSON."""
    compared = comparisons(rows)
    return {
        "programs": [row_entry(row) for row in rows],
        "compared": len(compared),
        "inside": sum(each.inside for each in compared),
        "factor": FACTOR,
        "outside": [comparison_entry(each) for each in compared if not each.inside],
        "checks": [asdict(fact) for fact in facts(rows)],
        "exact": [sample_entry(sample) for sample in exact],
    }


def row_entry(row: Row) -> dict[str, Any]:
    """One program with one strategy as JSON. published: the mean to look at first; artifacts: all that is published."""
    published = row.published
    return {
        "program": row.program,
        "strategy": row.strategy,
        "trials": row.trials,
        "found": row.found,
        "mean": row.mean,
        "deviation": row.deviation,
        "expected": row.expected,
        "band": [row.low, row.high],
        "published": None if published is None else published.mean,
        "artifact": None if published is None else published.artifact,
        "artifacts": [
            {"artifact": each.artifact, "mean": each.mean, "deviation": each.deviation, "found": each.found}
            for each in row.figures
        ],
    }


def comparison_entry(each: Comparison) -> dict[str, Any]:
    """A mean that is not like a published one as JSON."""
    return {
        "program": each.row.program,
        "strategy": each.row.strategy,
        "artifact": each.figure.artifact,
        "mean": each.row.mean,
        "published": each.figure.mean,
    }


def sample_entry(sample: Sample) -> dict[str, Any]:
    """A small program with one strategy as JSON."""
    return {
        **asdict(sample),
        "probability": float(sample.probability),
        "bound": None if sample.bound is None else float(sample.bound),
        "rate": sample.hits / sample.executions,
    }


def show(rows: Sequence[Row], exact: Sequence[Sample]) -> None:
    """Everything for a reader."""
    if rows:
        show_rows(rows)
        show_checks(rows)
    if exact:
        show_exact(exact)


def show_rows(rows: Sequence[Row]) -> None:
    """The table of programs and strategies."""
    title = "Schedules to the first bug, beside the means of artifacts S and R (* not in all trials)"
    table = titled(title, ("program", "strategy"), ("found", "mean", "95 %", "S", "R"))
    last = ""
    for row in rows:
        artifacts = {figure.artifact: figure for figure in row.figures}
        table.add_row(
            row.program if row.program != last else "",
            row.strategy,
            f"{row.found} of {row.trials}",
            mean_text(row.mean),
            band_text(row),
            figure_text(artifacts.get("S")),
            figure_text(artifacts.get("R")),
        )
        last = row.program
    stdout_console().print(table)


def show_checks(rows: Sequence[Row]) -> None:
    """What must hold, and which means are not like the published ones."""
    click.echo("")
    for fact in facts(rows):
        if fact.holds is not None:
            click.echo(f"{'yes' if fact.holds else 'NO ':3} {fact.statement}\n      {fact.measured}")
    for each in comparisons(rows):
        if not each.inside:
            click.echo(
                f"outside: {each.row.program}, {each.row.strategy}: {mean_text(each.row.mean)}, "
                f"published ({each.figure.artifact}) {mean_text(each.figure.mean)}"
            )


def show_exact(exact: Sequence[Sample]) -> None:
    """The table of small programs."""
    columns = ("steps", "interleavings", "hits", "rate", "exact", "p-value")
    table = titled("Hit rates of small programs", ("program", "strategy"), columns)
    for sample in exact:
        table.add_row(
            sample.program,
            sample.strategy,
            f"{sample.steps}",
            f"{sample.interleavings:,}",
            f"{sample.hits:,} of {sample.executions:,}",
            f"{sample.hits / sample.executions:.4f}",
            f"{float(sample.probability):.4f}",
            f"{sample.p_value:.3f}",
        )
    click.echo("")
    stdout_console().print(table)
    if agrees(exact):
        click.echo(f"\nNo hit rate differs from the exact probability (chi-square, {LEVEL} for all of them together).")
    else:
        click.echo(f"\nNOT as exact as they should be (chi-square, {LEVEL} for all of them together).")


def titled(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    """An empty table."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in texts:
        table.add_column(column, no_wrap=True)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def mean_text(mean: float | None) -> str:
    """Schedules, a dash where nothing was found."""
    return "-" if mean is None else f"{mean:,.0f}" if mean >= 100 else f"{mean:.1f}"


def band_text(row: Row) -> str:
    """The limits of the expected number."""
    return f"> {row.low:,.0f}" if row.high is None else f"{mean_text(row.low)} .. {mean_text(row.high)}"


def figure_text(figure: Figure | None) -> str:
    """A published figure, with a star where some trials did not find the bug."""
    if figure is None:
        return ""
    return mean_text(figure.mean) + ("" if figure.found in (0, TRIALS) else "*")
