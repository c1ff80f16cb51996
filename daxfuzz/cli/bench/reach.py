"""``daxfuzz bench reach``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from daxfuzz.bench.reach import Cell, Kernel, Union, cells, kernels, union
from daxfuzz.cli.bench.common import EXAMPLES, PROGRESS_EVERY, seed_option, workers_option
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import plural
from daxfuzz.cli.signals import interruptible
from daxfuzz.engines.fuzz import workers
from daxfuzz.kernel.kernel import FILESYSTEMS
from daxfuzz.protocols.registry import unknown


@click.command(epilog=EXAMPLES)
@click.option("--protocol", "protocols", multiple=True, help="Only this row. Repeatable.")
@click.option("--filesystem", "filesystems", multiple=True, help="Only this one. Repeatable.")
@click.option(
    "--executions",
    type=click.IntRange(1),
    default=20_000,
    show_default=True,
    help="On each protocol and file system.",
)
@seed_option
@workers_option
@json_option
def reach(
    protocols: tuple[str, ...],
    filesystems: tuple[str, ...],
    executions: int,
    seed: int,
    processes: int,
    as_json: bool,
) -> int:
    """Which points and lines of the model generated programs reach, and which they do not.

    A point is a place where a task waits for its turn. Lines are statements of functions in kernel and protocols, but
    for assertions, which stand for WARN_ON_ONCE and BUG_ON. Findings are counted, not explained.
    """
    wanted = chosen_kernels(protocols)
    for name in filesystems:
        if name not in FILESYSTEMS:
            raise unknown("filesystem", name, list(FILESYSTEMS))
    done: list[Cell] = []
    with interruptible() as interrupted, workers(processes) as pool:
        for cell in cells(pool, wanted, filesystems or tuple(FILESYSTEMS), executions, seed, Progress()):
            done.append(cell)
            click.echo(cell_text(cell), err=as_json)
    together = union(done)
    if as_json:
        print_json(reach_entry(done, together))
    else:
        show_union(together)
    return interrupted[0] if interrupted else 0


def chosen_kernels(names: Sequence[str]) -> list[Kernel]:
    """Rows by name, all if none is named. Raises UnknownName."""
    rows = {kernel.name: kernel for kernel in kernels()}
    for name in names:
        if name not in rows:
            raise unknown("protocol", name, list(rows))
    return [kernel for name, kernel in rows.items() if not names or name in names]


class Progress:
    """Lines on stderr: how far a cell is."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def __call__(self, what: str, executions: int) -> None:
        """Called after each chunk."""
        if time.monotonic() - self.last >= PROGRESS_EVERY:
            self.last = time.monotonic()
            click.echo(f"{what}: {executions:,} executions", err=True)


def cell_text(cell: Cell) -> str:
    """One kernel on one file system in a line."""
    reached = cell.reached
    return (
        f"{cell.kernel.name}, {cell.filesystem}: {len(reached.points)} of {len(cell.points)} points, "
        f"{len(reached.lines)} of {len(cell.lines)} lines in {reached.executions:,} executions; "
        f"{plural(reached.findings, 'finding')}"
    )


def show_union(together: Union) -> None:
    """All cells together, for a reader."""
    for missed in together.missed:
        if missed.what == "assertion":
            click.echo(f"never failed: {missed}")
        else:
            click.echo(f"not reached: {missed.what:5} {missed}")
    click.echo(f"assertions: {together.assertions_failed} of {together.assertions} failed in some execution")
    click.echo(
        f"points: {together.points_reached} of {together.points}, {together.points_percent:.1f} %; "
        f"lines: {together.lines_reached} of {together.lines}, {together.lines_percent:.1f} %"
    )


def reach_entry(done: Sequence[Cell], together: Union) -> dict[str, Any]:
    """All of it as JSON."""
    return {
        "cells": [
            {
                "kernel": cell.kernel.name,
                "filesystem": cell.filesystem,
                "executions": cell.reached.executions,
                "findings": cell.reached.findings,
                "first_of_kind": cell.reached.kinds,
                "points": len(cell.points),
                "points_reached": len(cell.reached.points),
                "lines": len(cell.lines),
                "lines_reached": len(cell.reached.lines),
                "assertions": len(cell.assertions),
                "assertions_failed": len(cell.reached.failed),
            }
            for cell in done
        ],
        "points": together.points,
        "points_reached": together.points_reached,
        "points_percent": round(together.points_percent, 2),
        "lines": together.lines,
        "lines_reached": together.lines_reached,
        "lines_percent": round(together.lines_percent, 2),
        "assertions": together.assertions,
        "assertions_failed": together.assertions_failed,
        "missed": [asdict(missed) for missed in together.missed],
    }
