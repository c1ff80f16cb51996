"""A slice of a campaign: a few seconds of one kernel, one engine and one strategy, as a worker runs it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from daxfuzz.engines.features import Collector
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM, Chunk, ChunkJob, RawFailure, Symptom, execute
from daxfuzz.program.bytes_form import encode
from daxfuzz.search import sparsify
from daxfuzz.sim import Execution, Scheduler
from daxfuzz.triage.bench import Bench, KernelChoice

STRIDE = 1 << 24
"""Programs from the beginning of one slice to that of the next: more than any slice can run."""

SEVERAL = 3
"""From here on it does not matter how many executions have shown a feature: estimates go by what was rare."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An input of the corpus.

    data: its byte form. features: those that it was the first to show, ascending. sampled: whether it was drawn; one
    that was chosen for its features says nothing about how many there are.
    """

    data: bytes
    features: tuple[int, ...]
    sampled: bool = True

    @property
    def hash(self) -> str:
        """What it is addressed by."""
        return sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Slice:
    """What a worker is asked to do.

    number: of the slice, from 0; what it runs depends on that, the seed, the kernel, the repairs and the way only.
    kernel_id: the kernel's name. repairs: of what was found already, applied in every second program.
    seconds: how long it takes. executions: after which it ends sooner; None for no such limit.
    entries: of the kernel's corpus, those that the worker does not have yet.
    campaign: which start of which campaign asks; version: of its code.
    """

    number: int
    kernel_id: str
    kernel: KernelChoice
    repairs: tuple[str, ...]
    engine: str
    strategy: str
    seed: int
    seconds: float
    executions: int | None = None
    entries: tuple[Entry, ...] = ()
    campaign: str = ""
    version: str = ""


@dataclass(slots=True)
class SliceResult:
    """What came of a slice.

    sampled: executions whose features were looked at. programs, tasks: how many were looked at, and had these.
    features: how often each was seen that is not well known to the worker, up to SEVERAL times over all its slices.
    entries: inputs that have shown features which the worker did not know.
    failures: the first of each symptom, with and without repairs; hits: executions with a symptom.
    """

    executions: int = 0
    steps: int = 0
    stuck: int = 0
    programs: int = 0
    tasks: int = 0
    sampled: int = 0
    seconds: float = 0.0
    features: dict[int, int] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    failures: list[RawFailure] = field(default_factory=list)
    hits: dict[Symptom, int] = field(default_factory=dict)


@dataclass(slots=True)
class Knowledge:
    """What a worker process knows of the corpus of one kernel.

    inputs: by hash. known: features that are in the corpus or were reported. seen: how often the worker has seen each.
    """

    inputs: dict[str, bytes] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)
    seen: dict[int, int] = field(default_factory=dict)

    def learn(self, entries: Iterable[Entry]) -> None:
        """Take over what others have found."""
        for entry in entries:
            self.inputs[entry.hash] = entry.data
            self.known.update(entry.features)

    def count(self, features: Iterable[int], result: SliceResult) -> None:
        """Count features of one execution that was drawn."""
        seen, found = self.seen, result.features
        for each in features:
            if seen.get(each, 0) < SEVERAL:
                seen[each] = seen.get(each, 0) + 1
                found[each] = found.get(each, 0) + 1

    def unknown(self, features: Iterable[int]) -> tuple[int, ...]:
        """Those of some features that were unknown until now."""
        new = tuple(each for each in features if each not in self.known)
        self.known.update(new)
        return new

    def keep(self, entry: Entry, result: SliceResult) -> None:
        """An input of one's own that shows unknown features."""
        self.inputs[entry.hash] = entry.data
        result.entries.append(entry)


LOOKED_AT = (0, 3)
"""Of four programs, one of which is without repairs and one with: a look costs as much as an execution, and more where
there is something new."""


class SampledChunk(Chunk):
    """A chunk that looks at the features of the last execution of every second program."""

    def __init__(self, job: ChunkJob, knowledge: Knowledge, outcome: SliceResult) -> None:
        super().__init__(job)
        self.knowledge = knowledge
        self.outcome = outcome

    def observed(self, bench: Bench, scheduler: Scheduler, index: int) -> Execution:
        if index // SCHEDULES_PER_PROGRAM % 4 not in LOOKED_AT:
            return execute(bench, scheduler, index)
        # Who listens makes executions slower, and this is the last one of the bench.
        collector = Collector(bench)
        execution = execute(bench, scheduler, index)
        outcome = self.outcome
        outcome.sampled += 1
        outcome.programs += 1
        outcome.tasks += len(bench.program.tasks)
        features = collector.of_last(execution)
        self.knowledge.count(features, outcome)
        new = self.knowledge.unknown(features)
        if new:
            schedule = sparsify(bench.sim.world, execution.turns).schedule
            self.knowledge.keep(Entry(encode(bench.program, schedule), new), outcome)
        return execution


def run_portfolio(job: Slice, knowledge: Knowledge) -> SliceResult:
    """Generated programs, at least one, under one strategy of the built-in engine."""
    outcome = SliceResult()
    first = job.number * STRIDE
    chunk = SampledChunk(
        ChunkJob(job.kernel, job.seed, first * SCHEDULES_PER_PROGRAM, 0, job.repairs, {job.strategy: 1.0}),
        knowledge,
        outcome,
    )
    end = time.monotonic() + job.seconds
    number = first
    while number == first or (
        time.monotonic() < end and (job.executions is None or chunk.result.executions < job.executions)
    ):
        chunk.run_program(number)
        number += 1
    result = chunk.result
    outcome.executions, outcome.steps, outcome.stuck = result.executions, result.steps, result.stuck
    outcome.failures = result.failures
    outcome.hits = dict(result.repeats)
    for failure in result.failures:
        outcome.hits[failure.symptom] = outcome.hits.get(failure.symptom, 0) + 1
    return outcome
