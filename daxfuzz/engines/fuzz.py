"""The built-in engine: rounds of chunks on all cores, triage of what they find, learning in between.

With a limit of executions a run is repeatable: execution i is seeded by (seed, i), rounds have sizes that do not
depend on the number of workers, and what is learned is merged in index order between rounds.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, TypeVar

from daxfuzz.engines.jobs import (
    SCHEDULES_PER_PROGRAM,
    Cause,
    ChunkJob,
    ChunkResult,
    Left,
    RawFailure,
    Symptom,
    run_cause,
    run_chunk,
    run_triage,
)
from daxfuzz.engines.points import Place, all_places
from daxfuzz.engines.worker_process import start_worker
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.dax_file import dumps_case, save_case
from daxfuzz.search import Portfolio
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.finding import Finding

FIRST_ROUND = 400
ROUND = 4_000
CHUNK = 400
"""Executions; multiples of SCHEDULES_PER_PROGRAM."""

TRIAGES_PER_ROUND = 8

GRACE = 0.1
MAX_GRACE = 5.0
"""What triage may take beyond a limit of time: a share of it, but at most so many seconds."""

T = TypeVar("T")

Attribution = tuple[RawFailure, "Future[Cause | None]"]
"""A failure and what will be its cause."""

Triage = tuple[RawFailure, "Future[Finding]"]
"""A failure and what its triage will say."""


@dataclass(frozen=True, slots=True)
class FuzzSettings:
    """What to run.

    seconds, executions: limits; None for no limit. At least one is given.
    strategies: names; empty for all.
    directory: where cases are written, None to keep them in memory.
    """

    kernel: KernelChoice
    seed: int = 0
    seconds: float | None = 60.0
    executions: int | None = None
    strategies: tuple[str, ...] = ()
    workers: int = 0
    directory: Path | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A finding with when and where it was made. path: of its case, None if no directory was given."""

    finding: Finding
    executions_to_find: int
    path: Path | None


@dataclass(slots=True)
class Status:
    """How far a run is. seconds: since its start, on the monotonic clock; last_new: when the last finding came.

    left: failures that there was no time to minimize. Some may be the same flaw, or that of a finding.
    """

    executions: int = 0
    steps: int = 0
    seconds: float = 0.0
    last_new: float = 0.0
    stuck: int = 0
    found: list[Found] = field(default_factory=list)
    repeats: int = 0
    places: frozenset[Place] = frozenset()
    places_total: int = 0
    triaging: int = 0
    left: list[Left] = field(default_factory=list)

    @property
    def executions_per_second(self) -> float:
        return self.executions / self.seconds if self.seconds else 0.0


class Fuzzer:
    """One run. on_update: called with the status whenever it has changed."""

    chunk: ClassVar[int] = CHUNK
    """Executions of a job, a multiple of SCHEDULES_PER_PROGRAM."""

    def __init__(self, settings: FuzzSettings, on_update: Callable[[Status], None] | None = None) -> None:
        self.settings = settings
        self.on_update = on_update or (lambda status: None)
        self.status = Status()
        self.total = all_places(settings.kernel.composed(), settings.kernel.spec.filesystem)
        self.status.places_total = len(self.total)
        self.portfolio = Portfolio(dict.fromkeys(settings.strategies, 1.0) or None)
        self.repairs: tuple[str, ...] = ()
        self.seen: set[tuple[Symptom, KernelSpec]] = set()
        self.signatures: list[str] = []
        self.started = time.monotonic()

    def run(self) -> Status:
        """Run until a limit is reached. What has been found is on disk before it is reported."""
        self.started = time.monotonic()
        with workers(self.settings.workers) as pool:
            for start, count in self.rounds():
                self.run_round(pool, start, count)
                if self.out_of_time():
                    break
            if self.status.left:
                stop(pool)
        self.update()
        return self.status

    def rounds(self) -> Iterator[tuple[int, int]]:
        """(start, count) of each round."""
        start = 0
        limit = self.settings.executions
        while limit is None or start < limit:
            count = FIRST_ROUND if start == 0 else ROUND
            if limit is not None:
                # Programs are run whole, so a limit is rounded up to the next one.
                left = -(-(limit - start) // SCHEDULES_PER_PROGRAM) * SCHEDULES_PER_PROGRAM
                count = min(count, left)
            yield start, count
            start += count

    def out_of_time(self, grace: bool = False) -> bool:
        """Whether the limit of time is reached; with `grace`, also what triage may take beyond it."""
        limit = self.settings.seconds
        if limit is None:
            return False
        return time.monotonic() - self.started >= limit + (min(limit * GRACE, MAX_GRACE) if grace else 0.0)

    def dropped(self, future: Future[T]) -> bool:
        """Out of time, take back a job that has not begun, unless a limit of executions makes the run repeatable."""
        return self.settings.executions is None and self.out_of_time() and future.cancel()

    def run_round(self, pool: Executor, start: int, count: int) -> None:
        """One round: its chunks, then the triage of what they found, both merged in index order."""
        failures: list[RawFailure] = []
        for result in self.in_order([self.submit(pool, job) for job in self.jobs(start, count)]):
            failures += self.merge(result)
        self.finish_triage(self.start_triage(pool, self.start_causes(pool, failures)))

    def submit(self, pool: Executor, job: ChunkJob) -> Future[ChunkResult]:
        """Hand a chunk to the workers."""
        return pool.submit(run_chunk, job)

    def jobs(self, start: int, count: int) -> list[ChunkJob]:
        """The chunks of a round."""
        end = start + count
        return [
            ChunkJob(
                self.settings.kernel,
                self.settings.seed,
                at,
                min(self.chunk, end - at),
                self.repairs,
                self.portfolio.weights,
            )
            for at in range(start, end, self.chunk)
        ]

    def start_causes(self, pool: Executor, failures: list[RawFailure]) -> list[Attribution]:
        """Ask the workers for the causes of those failures of a round that are worth it."""
        fresh = self.worth_triage(failures)
        self.status.triaging = len(fresh)
        earlier = tuple((found.finding.kind, found.finding.explained_by) for found in self.status.found)
        return [(raw, pool.submit(run_cause, raw, earlier)) for raw in fresh]

    def start_triage(self, pool: Executor, started: list[Attribution]) -> list[Triage]:
        """Hand one failure of each cause to the workers, the smallest: one is as good as the others."""
        groups: dict[tuple[str, str, int | None], list[tuple[RawFailure, Cause]]] = {}
        for raw, future in started:
            if self.given_up(future):
                self.leave(raw)
            elif (cause := future.result()) is None:
                self.status.repeats += 1
            else:
                # What is new may be several flaws.
                group = (raw.symptom.kind, cause.repair, None if cause.repair else raw.index)
                groups.setdefault(group, []).append((raw, cause))
        self.status.triaging = len(groups)
        self.update()
        return [
            (group[0][0], pool.submit(run_triage, *in_triage(group), self.settings.kernel)) for group in groups.values()
        ]

    def finish_triage(self, started: list[Triage]) -> None:
        """Keep what came of it, and learn which strategies it came from."""
        rewards: dict[str, int] = {}
        for raw, future in started:
            if self.given_up(future):
                self.leave(raw)
            elif self.keep(raw, future.result()):
                rewards[raw.strategy] = rewards.get(raw.strategy, 0) + 1
            self.status.triaging -= 1
            self.update()
        self.portfolio.reward(rewards)

    def given_up(self, triage: Future[T]) -> bool:
        """Wait for a triage: whether there is no time for it."""
        while not triage.done():
            if self.settings.executions is None and self.out_of_time(grace=True):
                triage.cancel()
                return True
            wait([triage], timeout=0.25)
            self.update()
        return False

    def in_order(self, futures: Sequence[Future[T]]) -> Iterator[T]:
        """Results in the order of their jobs, without jobs that are dropped."""
        for future in futures:
            if self.dropped(future):
                continue
            while True:
                try:
                    yield future.result(timeout=0.25)
                    break
                except TimeoutError:
                    self.update()

    def merge(self, result: ChunkResult) -> list[RawFailure]:
        """Count what a chunk did; its failures."""
        status = self.status
        status.executions += result.executions
        status.steps += result.steps
        status.stuck += result.stuck
        status.repeats += sum(result.repeats.values())
        status.places |= result.places & self.total
        self.update()
        return result.failures

    def worth_triage(self, failures: list[RawFailure]) -> list[RawFailure]:
        """The failures whose symptom is new for the repairs under which it was seen."""
        fresh: list[RawFailure] = []
        for raw in failures:
            key = (raw.symptom, raw.kernel.spec)
            if key in self.seen or len(fresh) == TRIAGES_PER_ROUND:
                self.status.repeats += 1
                continue
            self.seen.add(key)
            fresh.append(raw)
        return fresh

    def keep(self, raw: RawFailure, finding: Finding) -> bool:
        """Report a finding unless its signature is known. Whether it was new."""
        self.repairs += tuple(name for name in finding.explained_by if name not in self.repairs)
        if finding.signature in self.signatures:
            self.status.repeats += 1
            return False
        self.signatures.append(finding.signature)
        path = None
        if self.settings.directory is not None:
            self.settings.directory.mkdir(parents=True, exist_ok=True)
            path = self.settings.directory / finding.file_name()
            save_case(path, dumps_case(finding.case))
        self.status.found.append(Found(finding, raw.index + 1, path))
        self.status.last_new = time.monotonic() - self.started
        return True

    def leave(self, raw: RawFailure) -> None:
        """Write a failure as it was found."""
        self.status.left.append(saved(Left(raw, None), self.settings.directory))

    def update(self) -> None:
        self.status.seconds = time.monotonic() - self.started
        self.on_update(self.status)


def in_triage(group: list[tuple[RawFailure, Cause]]) -> tuple[RawFailure, Cause]:
    """The failure of several with one cause that is minimized in their place."""
    return min(
        group, key=lambda each: (sum(map(len, each[0].program.tasks.values())), len(each[0].turns), each[0].index)
    )


@contextmanager
def workers(count: int) -> Iterator[Executor]:
    """Processes of this machine; 0 for one per core. They are stopped at once when the block is left early."""
    processes = count or len(os.sched_getaffinity(0))
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), start_worker)
    try:
        yield pool
    except BaseException:
        stop(pool)
        raise
    pool.shutdown(wait=True, cancel_futures=True)


def stop(pool: Executor) -> None:
    """End the workers, whatever they are at."""
    pool.shutdown(wait=False, cancel_futures=True)
    for process in multiprocessing.active_children():
        process.terminate()


def saved(left: Left, directory: Path | None) -> Left:
    """A failure that is left, written to a directory if there is one."""
    if directory is None:
        return left
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / left.file_name()
    save_case(path, dumps_case(left.case()))
    return replace(left, path=path)
