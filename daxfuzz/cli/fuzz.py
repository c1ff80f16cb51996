"""``daxfuzz fuzz``: the main job."""

from __future__ import annotations

import platform
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from daxfuzz.cli.errors import INTERRUPTED, OneLineError
from daxfuzz.cli.fuzz_display import Display, display, final_report
from daxfuzz.cli.options import Duration, json_option, patch_option, print_json, with_patches
from daxfuzz.engines.fuzz import Found, Fuzzer, FuzzSettings, Status
from daxfuzz.program.case import KernelSpec
from daxfuzz.search import STRATEGIES

DEFAULT_SECONDS = 60.0

EXAMPLES = """
\b
Examples:
  daxfuzz fuzz
  daxfuzz fuzz --protocol refcount-1 --time 5m --workers 4
  daxfuzz fuzz --protocol pin-wait --patch my_patch.py
  daxfuzz fuzz --executions 100000 --seed 7 --json > run.json
"""


@click.command(epilog=EXAMPLES)
@click.option("--protocol", default="pin-wait", show_default=True, help="Kernel under test; see list protocols.")
@patch_option("Apply on top: a name, all patches of a file, or one of them. Repeatable.")
@click.option("--filesystem", default="ext4", show_default=True, help="See list filesystems.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--time", "seconds", type=Duration(), metavar="TIME", help="Such as 90, 60s, 5m, 2h. [default: 60s, or no limit]"
)
@click.option("--executions", type=click.IntRange(1), metavar="N", help="Stop after N; the same findings every time.")
@click.option("--strategy", "strategies", multiple=True, type=click.Choice(list(STRATEGIES)), help="Repeatable.")
@click.option("--workers", type=click.IntRange(1, 4096), metavar="N", help="Processes. [default: one per core]")
@click.option(
    "--findings",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default="findings",
    show_default=True,
    metavar="DIR",
    help="Where cases are written.",
)
@click.option("--engine", type=click.Choice(["portfolio", "atheris"]), default="portfolio", show_default=True)
@json_option
def fuzz(
    protocol: str,
    patches: tuple[str, ...],
    filesystem: str,
    seed: int,
    seconds: float | None,
    executions: int | None,
    strategies: tuple[str, ...],
    workers: int | None,
    directory: Path,
    engine: str,
    as_json: bool,
) -> int:
    """Search for findings and write each as a minimized case.

    Exit code: 0 if there is no finding, 1 if there are, 130 after Ctrl-C.
    """
    if engine == "atheris":
        raise OneLineError(why_no_atheris())
    kernel = with_patches(KernelSpec(protocol=protocol, filesystem=filesystem), patches)
    if seconds is None and executions is None:
        seconds = DEFAULT_SECONDS
    # Now rather than at the first finding of a long run.
    directory.mkdir(parents=True, exist_ok=True)
    settings = FuzzSettings(kernel, seed, seconds, executions, strategies, workers or 0, directory)
    with display(settings) as live:
        status, interrupted = run(settings, live)
    if as_json:
        print_json(document(status, seed))
    else:
        final_report(status, settings)
    return interrupted or (1 if status.found else 0)


def run(settings: FuzzSettings, live: Display) -> tuple[Status, int]:
    """Fuzz until a limit or a signal ends it: how far it came, and the exit code if it was a signal."""
    fuzzer = Fuzzer(settings, live.update)
    try:
        with termination():
            return fuzzer.run(), 0
    except KeyboardInterrupt:
        return fuzzer.status, INTERRUPTED
    except Terminated:
        return fuzzer.status, 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM, as ``timeout`` and CI systems send it: the workers have to be stopped first."""


@contextmanager
def termination() -> Iterator[None]:
    """Raise Terminated on SIGTERM."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def why_no_atheris() -> str:
    """Why --engine atheris cannot run here."""
    where = f"{platform.system()} {platform.machine()}, {platform.python_implementation()}"
    if not (
        sys.platform == "linux" and platform.machine() == "x86_64" and platform.python_implementation() == "CPython"
    ):
        return f"--engine atheris: atheris has wheels for CPython on Linux x86_64 only, and this is {where}"
    return "--engine atheris is not available yet; use --engine portfolio"


def document(status: Status, seed: int) -> dict[str, Any]:
    """The run as JSON."""
    return {
        "findings": [entry(found) for found in status.found],
        "executions": status.executions,
        "steps": status.steps,
        "seconds": round(status.seconds, 3),
        "executions_per_second": round(status.executions_per_second, 1),
        "points_reached": len(status.places),
        "points_total": status.places_total,
        "seed": seed,
        "user_held": status.stuck,
        "bound_95": None if status.found or not status.executions else 3 / status.executions,
    }


def entry(found: Found) -> dict[str, Any]:
    """One finding as JSON."""
    finding = found.finding
    return {
        "kind": finding.kind,
        "signature": finding.signature,
        "explained_by": list(finding.explained_by),
        "case": None if found.path is None else str(found.path),
        "executions_to_find": found.executions_to_find,
        "tasks": finding.tasks,
        "operations": finding.operations,
        "preemptions": finding.preemptions,
        "choices": finding.choices,
        "steps": finding.steps,
    }
