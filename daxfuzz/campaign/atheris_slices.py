"""Slices of libFuzzer: a process of its own that begins with the corpus, and whose finds go back there."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from daxfuzz.campaign.slices import STRIDE, Entry, Knowledge, Slice, SliceResult
from daxfuzz.engines.atheris.crew import Crew, crew_at_work
from daxfuzz.engines.atheris.inputs import Inputs
from daxfuzz.engines.atheris.job import Report
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM

LONGER = 5.0
"""How many times as long as others such a slice is: it takes a few seconds to start."""

POLL = 0.25
"""Seconds between two looks at the clock."""


def run_atheris(job: Slice, knowledge: Knowledge) -> SliceResult:
    """Let libFuzzer mutate what is in the corpus. Raises WorkerFailed if its process ends before its time."""
    result = SliceResult()
    first = job.number * STRIDE * SCHEDULES_PER_PROGRAM
    given = dict(knowledge.inputs)
    with crew_at_work(job.kernel, 1, job.executions, job.seed + job.number) as crew:
        # It looks every second for inputs that others have put there.
        for hash, data in given.items():
            (crew.corpus / hash).write_bytes(data)
        if job.repairs:
            crew.apply(job.repairs)
        end = time.monotonic() + job.seconds
        while crew.running() and time.monotonic() < end:
            take(job, crew, first, crew.reports(POLL), result)
            crew.check()
        crew.stop()
        crew.join()
        take(job, crew, first, crew.reports(0.0), result)
        keep(job, [path for path in sorted(crew.corpus.iterdir()) if path.name not in given], knowledge, result)
    return result


def take(job: Slice, crew: Crew, first: int, reports: Iterable[tuple[int, Report]], result: SliceResult) -> None:
    """Take over what the process has reported. first: the number of its first execution."""
    for _, report in reports:
        result.executions = report.total
        result.steps += report.steps
        result.stuck += report.stuck
        for crash in report.crashes:
            data = (crew.crashes / crash.name).read_bytes()
            result.failures.append(crash.failure(data, job.kernel, first + crash.execution))
            result.hits[crash.symptom] = result.hits.get(crash.symptom, 0) + 1


def keep(job: Slice, paths: Iterable[Path], knowledge: Knowledge, result: SliceResult) -> None:
    """Keep inputs that show features which nobody knows."""
    inputs = Inputs(job.kernel)
    for path in paths:
        given = inputs.decoded(path.read_bytes())
        new = knowledge.unknown(inputs.run(given)[1])
        if new:
            knowledge.keep(Entry(given.data, new, sampled=False), result)
