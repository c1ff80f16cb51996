"""A harness that `daxfuzz fuzz --engine atheris` runs: it goes on after a failure, and tells what it does.

It writes reports to stdout, and reads from stdin, line by line, which repairs are to be applied on top for half of the
programs. When stdin ends, so does it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from daxfuzz.engines.atheris.harness import coverage, load_atheris, run
from daxfuzz.engines.atheris.inputs import Input, Inputs
from daxfuzz.engines.atheris.job import JOB, Crash, Job, Report
from daxfuzz.engines.atheris.target import Target
from daxfuzz.engines.jobs import Symptom, symptom_of
from daxfuzz.engines.points import Place, PlaceRecorder
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.search import SparseReplay
from daxfuzz.sim import Execution, Violation
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.finding import confirm
from daxfuzz.triage.reproduce import Failure

EVERY = 0.25
"""Seconds between two reports."""

BEHIND = 5
"""How much nicer it is than triage (os.nice), which has to share the cores with it."""

PLACES_EVERY = 20
"""Executions, of which one notes which points of the model it reaches; that takes longer."""


class Watched(Target):
    """Reports failures instead of raising them, each symptom once with and once without repairs.

    job: what is to be done.
    out: where reports go.
    repairs: for half of the programs, from the next execution on.
    """

    def __init__(self, job: Job, inputs: Inputs, cover: Callable[[tuple[int, ...]], None], out: IO[str]) -> None:
        super().__init__(inputs, cover)
        self.job = job
        self.out = out
        self.total = self.steps = self.stuck = self.repeats = 0
        self.crashes: list[Crash] = []
        self.known: set[tuple[Symptom, KernelChoice]] = set()
        self.places: dict[Place, None] = {}
        self.told: set[Place] = set()
        self.next = 0.0
        self.repairs: tuple[str, ...] = ()
        self.started = time.process_time()

    def __call__(self, data: bytes) -> None:
        if not self.total:
            self.started = time.process_time()
        self.inputs.repairs = self.repairs
        super().__call__(data)
        self.total += 1
        if time.monotonic() >= self.next or self.total == self.job.executions:
            self.report()

    def run(self, given: Input) -> tuple[Execution, tuple[int, ...]]:
        recorder = None if self.total % PLACES_EVERY else PlaceRecorder(SparseReplay(given.schedule))
        execution, features = self.inputs.run(given, recorder)
        if recorder is not None:
            self.places |= recorder.places
        self.steps += len(execution.turns)
        self.stuck += bool(execution.stuck) and execution.violation is None
        return execution, features

    def judge(self, given: Input, execution: Execution, found: Violation) -> None:
        """Keep an input that fails in a new way."""
        kernel = self.inputs.kernel_of(given)
        symptom = symptom_of(found)
        if (symptom, kernel) in self.known:
            self.repeats += 1
            return
        self.known.add((symptom, kernel))
        confirm(Failure(given.program, kernel, execution, found))
        name = f"crash-{hashlib.sha1(given.data).hexdigest()}"
        write(Path(self.job.crashes) / name, given.data)
        repairs = self.inputs.repairs if kernel != self.inputs.kernel else ()
        self.crashes.append(Crash(name, self.total, repairs, symptom, tuple(execution.turns)))
        self.next = 0.0

    def report(self) -> None:
        """Tell what has been done since the last report."""
        self.next = time.monotonic() + EVERY
        places = tuple(place for place in self.places if place not in self.told)
        self.told.update(places)
        seconds = time.process_time() - self.started
        report = Report(self.total, seconds, self.steps, self.stuck, self.repeats, places, tuple(self.crashes))
        self.out.write(report.dumps())
        self.out.flush()
        self.steps = self.stuck = self.repeats = 0
        self.crashes.clear()


def write(path: Path, data: bytes) -> None:
    """A file that is there as a whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)


def follow(target: Watched, lines: IO[str]) -> None:
    """Apply the repairs that each line names, until there is none any more; then end the process."""
    for line in lines:
        target.repairs = tuple(json.loads(line))
    os._exit(0)


def main() -> None:
    """Do the job that the environment describes, with libFuzzer's options in sys.argv."""
    job = Job.loads(os.environ[JOB])
    atheris = load_atheris()
    os.nice(BEHIND)
    # What libFuzzer and its helpers print is for the log.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    inputs = Inputs(job.kernel, job.features)
    target = Watched(job, inputs, coverage(atheris), out)
    threading.Thread(target=follow, args=(target, sys.stdin), daemon=True).start()
    run(atheris, inputs, target, tuple(SIGNATURES), sys.argv)


if __name__ == "__main__":
    main()
