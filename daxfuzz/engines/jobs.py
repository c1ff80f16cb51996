"""What worker processes do: chunks of executions, and the triage of one failure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from daxfuzz.engines.points import Place, PlaceRecorder
from daxfuzz.program.case import Case, Program, Schedule
from daxfuzz.program.generator import generate
from daxfuzz.program.processes import address_spaces
from daxfuzz.protocols.user_patches import PatchFileError
from daxfuzz.search import Memory, Portfolio
from daxfuzz.sim import Execution, Scheduler, Violation
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.finding import Finding, Known, cause, triage
from daxfuzz.triage.replay import steps_of
from daxfuzz.triage.reproduce import Failure, replay

SCHEDULES_PER_PROGRAM = 20
"""Executions of one program; the last of them notes which points it reaches, which costs more."""

FIRST_BOUND = 200
"""Turns that a program may take, before anybody has seen it run."""

_SEEDS = 1 << 64


@dataclass(frozen=True, slots=True)
class Symptom:
    """What a failure looks like before anybody knows why."""

    kind: str
    function: str
    channel: str


@dataclass(frozen=True, slots=True)
class ChunkJob:
    """Executions `start` to `start + count` of a run.

    kernel: the kernel under test.
    repairs: applied on top in every second program, so that known flaws do not mask others.
    weights: of the strategies.
    """

    kernel: KernelChoice
    seed: int
    start: int
    count: int
    repairs: tuple[str, ...]
    weights: dict[str, float]


@dataclass(frozen=True, slots=True)
class RawFailure:
    """A failing execution as a worker found it. kernel: with the repairs that were applied."""

    index: int
    kernel: KernelChoice
    symptom: Symptom
    program: Program
    turns: tuple[int, ...]
    strategy: str


@dataclass(frozen=True, slots=True)
class RawFailureAt:
    """Which execution it is that may fail."""

    index: int
    kernel: KernelChoice
    program: Program
    strategy: str

    def failure(self, symptom: Symptom, turns: tuple[int, ...]) -> RawFailure:
        """The failure that it is."""
        return RawFailure(self.index, self.kernel, symptom, self.program, turns, self.strategy)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an execution fails.

    repair: that of the flaw behind it; "" if that is new, or if it takes several.
    alone, in_place: the failure where no other flaw is left, and whether only what fails in the same function is it.
    """

    repair: str
    alone: RawFailure
    in_place: bool


@dataclass(slots=True)
class ChunkResult:
    """What a chunk found.

    failures: the first of each symptom, with and without repairs.
    repeats: further executions by symptom.
    stuck: executions that ended with tasks waiting for user-held references, the kernel's design.
    """

    executions: int = 0
    steps: int = 0
    stuck: int = 0
    failures: list[RawFailure] = field(default_factory=list)
    repeats: dict[Symptom, int] = field(default_factory=dict)
    places: frozenset[Place] = frozenset()


@dataclass(frozen=True, slots=True)
class Left:
    """A failure that there was no time to minimize and to attribute.

    path: of its case, None if no directory was given.
    """

    raw: RawFailure
    path: Path | None

    def file_name(self) -> str:
        """A name for the case."""
        symptom = self.raw.symptom
        parts = ("unminimized", symptom.kind, symptom.function, symptom.channel, str(self.raw.index))
        return re.sub(r"[^a-z0-9]+", "-", "-".join(part for part in parts if part).lower()) + ".dax"

    def case(self) -> Case:
        """The failure as it was found."""
        program = self.raw.program
        program = replace(program, setup=replace(program.setup, mms=address_spaces(program)))
        steps = steps_of(program, self.raw.turns)
        return Case(program, self.raw.kernel.spec, self.raw.symptom.kind, schedule=Schedule(steps))


class ModelError(RuntimeError):
    """The model itself failed; names the execution."""


def run_chunk(job: ChunkJob) -> ChunkResult:
    """Run a chunk. Its result depends on nothing but the job."""
    chunk = Chunk(job)
    for number in range(job.start // SCHEDULES_PER_PROGRAM, (job.start + job.count) // SCHEDULES_PER_PROGRAM):
        chunk.run_program(number)
    return chunk.result


class Chunk:
    """The executions of a job, program by program. result: what came of them so far."""

    def __init__(self, job: ChunkJob) -> None:
        self.job = job
        self.result = ChunkResult()
        self._portfolio = Portfolio(job.weights)
        self._first: dict[tuple[Symptom, bool], None] = {}

    def run_program(self, number: int) -> None:
        """All executions of one program of the run."""
        job = self.job
        repaired = bool(job.repairs) and number % 2 == 1
        kernel = job.kernel.plus(job.repairs) if repaired else job.kernel
        program = generate(Random(job.seed * _SEEDS + number), kernel.spec.filesystem)
        bench = Bench(program, kernel)
        bound = FIRST_BOUND
        memory = Memory()
        for repeat in range(SCHEDULES_PER_PROGRAM):
            index = number * SCHEDULES_PER_PROGRAM + repeat
            strategy, scheduler = self._portfolio.make(job.seed, index, bound, memory)
            run = self.observed if repeat == SCHEDULES_PER_PROGRAM - 1 else execute
            execution = run(bench, scheduler, index)
            bound = max(len(execution.turns), 1)
            self._count(execution, RawFailureAt(index, kernel, program, strategy), repaired)

    def observed(self, bench: Bench, scheduler: Scheduler, index: int) -> Execution:
        """The last execution of a program, with a note of the points that it reaches."""
        recorder = PlaceRecorder(scheduler)
        execution = execute(bench, recorder, index)
        self.result.places |= frozenset(recorder.places)
        return execution

    def _count(self, execution: Execution, where: RawFailureAt, repaired: bool) -> None:
        result = self.result
        result.executions += 1
        result.steps += len(execution.turns)
        found = verdict(execution)
        if found is None:
            result.stuck += bool(execution.stuck)
            return
        symptom = symptom_of(found)
        if (symptom, repaired) in self._first:
            result.repeats[symptom] = result.repeats.get(symptom, 0) + 1
            return
        self._first[symptom, repaired] = None
        result.failures.append(where.failure(symptom, tuple(execution.turns)))


def execute(bench: Bench, scheduler: Scheduler, index: int) -> Execution:
    """One execution. Raises PatchFileError for a fault of the user's patch, ModelError for one of the model."""
    try:
        return bench.run(scheduler)
    except PatchFileError:
        raise
    except Exception as error:
        raise ModelError(f"execution {index}: {type(error).__name__}: {error}") from error


def symptom_of(violation: Violation) -> Symptom:
    """What a violation looks like."""
    return Symptom(violation.kind, violation.function, violation.channel)


def run_cause(raw: RawFailure, findings: tuple[Known, ...]) -> Cause | None:
    """The cause of a failure, in a worker; None if earlier findings account for it.

    Raises ModelError if it does not replay.
    """
    found = cause(replayed(raw), findings)
    if found is None:
        return None
    repair, alone = found
    return Cause(repair, replace(raw, kernel=alone.kernel, turns=tuple(alone.execution.turns)), alone.in_place)


def run_triage(raw: RawFailure, known: Cause, target: KernelChoice) -> Finding:
    """Triage in a worker. known: the cause of the failure."""
    failure = replayed(raw)
    if not known.repair:
        return triage(failure, target)
    return triage(failure, target, alone=replace(replayed(known.alone), in_place=known.in_place))


def replayed(raw: RawFailure) -> Failure:
    """The failure again. Raises ModelError."""
    failure = replay(raw.program, raw.kernel, raw.turns)
    if failure is None:
        raise ModelError(f"execution {raw.index}: {raw.symptom.kind} does not replay")
    return failure
