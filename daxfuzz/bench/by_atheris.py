"""What the atheris engine does alone, with one worker and without triage."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from daxfuzz.engines.atheris.crew import Crew, crew_at_work
from daxfuzz.engines.atheris.job import Report
from daxfuzz.triage.bench import KernelChoice


class Hunted(NamedTuple):
    """What came of a hunt: executions and seconds of processor time until it ended, the kind of finding that ended it,
    and those that did not."""

    executions: int
    seconds: float
    kind: str | None
    others: tuple[str, ...]


def hunt_by_atheris(kernel: KernelChoice, kinds: Collection[str], seed: int, executions: int, features: bool) -> Hunted:
    """From an empty corpus to the first finding of some kinds, or to a limit. Raises WorkerFailed."""
    others: dict[str, None] = {}
    seconds = 0.0
    with one_worker(kernel, seed, executions, features) as reports:
        for report in reports:
            seconds = report.seconds
            for crash in report.crashes:
                if crash.symptom.kind in kinds:
                    return Hunted(crash.execution + 1, seconds, crash.symptom.kind, tuple(others))
                others[crash.symptom.kind] = None
    return Hunted(executions, seconds, None, tuple(others))


def seconds_of(kernel: KernelChoice, seed: int, executions: int) -> float:
    """Seconds of processor time that so many executions take from an empty corpus. Raises WorkerFailed."""
    with one_worker(kernel, seed, executions, True) as reports:
        last = list(reports)[-1]
    return last.seconds * executions / last.total


@contextmanager
def one_worker(kernel: KernelChoice, seed: int, executions: int, features: bool) -> Iterator[Iterator[Report]]:
    """What a worker reports, until it has ended. It is stopped when the block is left."""
    with crew_at_work(kernel, 1, executions, seed, features) as crew:
        yield _reports(crew)


def _reports(crew: Crew) -> Iterator[Report]:
    while crew.running():
        for _, report in crew.reports(0.25):
            yield report
    crew.check()
    crew.join()
    for _, report in crew.reports(0.0):
        yield report
