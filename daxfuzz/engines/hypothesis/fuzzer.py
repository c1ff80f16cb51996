"""The engine behind `daxfuzz fuzz --engine hypothesis`."""

from __future__ import annotations

import re
from concurrent.futures import Executor, Future
from typing import ClassVar

from daxfuzz.engines.fuzz import Fuzzer
from daxfuzz.engines.hypothesis.chunk import ExamplesJob, run_examples
from daxfuzz.engines.jobs import ChunkJob, ChunkResult


class HypothesisFuzzer(Fuzzer):
    """One run: rounds of chunks as the built-in engine has them, in which hypothesis draws the programs.

    What fails is kept in a database of examples below the directory of the findings, one for each kernel; a run begins
    with what earlier ones have left there. With the same examples and a limit of executions it is repeatable.
    """

    chunk: ClassVar[int] = 2_000

    def submit(self, pool: Executor, job: ChunkJob) -> Future[ChunkResult]:
        directory = self.settings.directory
        name = re.sub(r"[^a-z0-9]+", "-", f"{job.kernel.spec} {job.kernel.spec.filesystem}".lower()).strip("-")
        examples = None if directory is None else directory / "examples" / name
        return pool.submit(
            run_examples,
            ExamplesJob(job.kernel, job.seed, job.start, job.count, job.repairs, job.weights, examples),
        )
