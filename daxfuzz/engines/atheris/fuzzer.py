"""The engine behind `daxfuzz fuzz --engine atheris`: libFuzzer finds inputs that fail, triage makes cases of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Executor

from daxfuzz.engines.atheris.crew import Crew, WorkerFailed, crew_at_work
from daxfuzz.engines.atheris.harness import load_atheris
from daxfuzz.engines.atheris.inputs import Inputs
from daxfuzz.engines.atheris.job import Report
from daxfuzz.engines.fuzz import TRIAGES_PER_ROUND, Fuzzer, FuzzSettings, Status, stop, workers
from daxfuzz.engines.jobs import ModelError, RawFailure


class AtherisFuzzer(Fuzzer):
    """One run. It begins with no input; which inputs there are in the end is forgotten with it.

    Unlike one of the built-in engine it is not repeatable: workers go on while others do triage.
    """

    def __init__(self, settings: FuzzSettings, on_update: Callable[[Status], None] | None = None) -> None:
        super().__init__(settings, on_update)
        self.count = settings.workers or len(os.sched_getaffinity(0))
        self.crew: Crew | None = None
        self.totals = [0] * self.count
        self.backlog: list[RawFailure] = []

    def run(self) -> Status:
        """Run until a limit is reached. What has been found is on disk before it is reported.

        Raises AtherisMissing, PatchFileError if a patch of the user's raises anything, and ModelError.
        """
        load_atheris()
        self.started = time.monotonic()
        settings = self.settings
        with (
            crew_at_work(settings.kernel, self.count, settings.executions, settings.seed) as crew,
            workers(self.count) as pool,
        ):
            self.crew = crew
            try:
                self.follow(crew, pool)
            except WorkerFailed as error:
                self.explain(error)
            if self.status.left:
                stop(pool)
        self.update()
        return self.status

    def follow(self, crew: Crew, pool: Executor) -> None:
        """Do triage of what the workers find, until they have ended or the time is up. Raises WorkerFailed."""
        while crew.running() and not self.out_of_time():
            self.take(crew, 0.25)
            crew.check()
            self.triage(crew, pool)
            self.update()
        crew.check()
        crew.stop()
        crew.join()
        self.triage(crew, pool)

    def update(self) -> None:
        if self.crew is not None:
            self.take(self.crew, 0.0)
        super().update()

    def take(self, crew: Crew, seconds: float) -> None:
        """Count what the workers have done. seconds: how long to wait for it."""
        for worker, report in crew.reports(seconds):
            others = sum(self.totals) - self.totals[worker]
            self.count_in(report)
            for crash in report.crashes:
                data = (crew.crashes / crash.name).read_bytes()
                self.backlog.append(crash.failure(data, self.settings.kernel, others + crash.execution))
            self.totals[worker] = report.total
            self.status.executions = others + report.total

    def count_in(self, report: Report) -> None:
        """What a worker has done since its last report."""
        status = self.status
        status.steps += report.steps
        status.stuck += report.stuck
        status.repeats += report.repeats
        status.places |= frozenset(report.places) & self.total

    def triage(self, crew: Crew, pool: Executor) -> None:
        """Make cases of all failures so far, and have the workers look behind what explains them."""
        self.update()
        while self.backlog:
            failures, self.backlog = self.backlog[:TRIAGES_PER_ROUND], self.backlog[TRIAGES_PER_ROUND:]
            before = self.repairs
            self.finish_triage(self.start_triage(pool, self.start_causes(pool, failures)))
            if self.repairs != before:
                crew.apply(self.repairs)

    def explain(self, error: WorkerFailed) -> None:
        """Say why a worker has ended. Raises what running its input raises, else ModelError."""
        if error.crash is not None:
            data = error.crash.read_bytes()
            for repairs in dict.fromkeys(((), self.repairs)):
                inputs = Inputs(self.settings.kernel.plus(repairs), observed=False)
                inputs.run(inputs.decoded(data))
            raise ModelError(f"{error}; input {data.hex()}") from error
        raise ModelError(str(error)) from error
