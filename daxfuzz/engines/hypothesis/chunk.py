"""What worker processes of the hypothesis engine do: chunks of executions, of programs that hypothesis draws."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import cast

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from daxfuzz.engines.hypothesis.observed import Observed, Sleepers
from daxfuzz.engines.jobs import (
    SCHEDULES_PER_PROGRAM,
    ChunkJob,
    ChunkResult,
    RawFailure,
    Symptom,
    execute,
    symptom_of,
)
from daxfuzz.engines.points import Place, PlaceRecorder
from daxfuzz.engines.strategies.programs import programs
from daxfuzz.engines.strategies.schedules import schedules
from daxfuzz.program.case import Program
from daxfuzz.program.generator import generate
from daxfuzz.search import Memory, Portfolio, SparseReplay
from daxfuzz.sim import Execution, Scheduler, SparseSchedule
from daxfuzz.triage.bench import Bench, KernelChoice, verdict

STRATEGY = "hypothesis"
"""What stands in place of a scheduler's name where the schedule was drawn with the program."""

_SEEDS = 1 << 64

Key = tuple[Symptom, KernelChoice]
"""What is one failure to hypothesis: a symptom, on the kernel with or without repairs."""


@dataclass(frozen=True, slots=True)
class ExamplesJob(ChunkJob):
    """A chunk. examples: the directory of the example database; None for none."""

    examples: Path | None


class Failed(Exception):
    """What hypothesis gets to see of a failure. Each symptom has a subclass of its own, so that it tells them apart."""


def run_examples(job: ExamplesJob) -> ChunkResult:
    """Run a chunk. Raises PatchFileError for a fault of the user's patch, ModelError for one of the model.

    The first chunk of a run begins with the examples that earlier runs have left.
    """
    return Examples(job).run()


class Examples:
    """The executions of a chunk.

    known: the symptoms that do not stop hypothesis any more, with the kernels that have shown them; found: and those
        that have ended the present search.
    fault: what is no finding, and ends everything.
    """

    def __init__(self, job: ExamplesJob) -> None:
        self.job = job
        self.result = ChunkResult()
        self.portfolio = Portfolio(job.weights)
        self.known: dict[Key, None] = {}
        self.found: dict[Key, None] = {}
        self.places: dict[Place, None] = {}
        self.kinds: dict[Symptom, type[Failed]] = {}
        self.kernels = [job.kernel] if not job.repairs else [job.kernel, job.kernel.plus(job.repairs)]
        self.fault: Exception | None = None

    def run(self) -> ChunkResult:
        """Let hypothesis go on until all executions are made; a new symptom ends its present search."""
        job = self.job
        for attempt in range(job.count):
            left = (job.count - self.result.executions) // SCHEDULES_PER_PROGRAM
            if left <= 0:
                break
            try:
                self.search(attempt, left)
            except Exception:
                # hypothesis wraps what it raises, in a group for one.
                if self.fault is not None:
                    raise self.fault from None
                if len(self.found) == len(self.known):
                    raise
            self.known |= self.found
        self.result.places = frozenset(self.places)
        return self.result

    def search(self, attempt: int, most: int) -> None:
        """One search. Raises Failed, or a group of them, for what is new."""
        reuse = self.job.start == 0 and attempt == 0
        configured = settings(
            max_examples=most,
            derandomize=False,
            phases=[*([Phase.reuse] if reuse else []), Phase.generate, Phase.target],
            database=None if self.job.examples is None else DirectoryBasedExampleDatabase(self.job.examples),
            deadline=None,
            print_blob=False,
            report_multiple_bugs=reuse,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )

        @given(st.data())
        def example(data: st.DataObject) -> None:
            self.example(data)

        number = Random(f"{self.job.seed} {self.job.start} {attempt}").randrange(_SEEDS)
        # A seed, given last, would take the database away.
        configured(seed(number)(example))()

    def example(self, data: st.DataObject) -> None:
        """One program, under a schedule of hypothesis's and others of the portfolio's."""
        kernel = data.draw(st.sampled_from(self.kernels), label="kernel")
        program = data.draw(drawn(kernel.spec.filesystem), label="program")
        schedule = data.draw(schedules(len(program.tasks)), label="schedule")
        others = data.draw(st.integers(0, _SEEDS - 1), label="seed of the other schedules")
        try:
            symptom = self.executions(kernel, program, schedule, others)
        except Exception as error:
            self.fault = error
            raise
        if symptom is not None:
            raise self.kinds.setdefault(symptom, type(symptom.kind, (Failed,), {}))

    def executions(
        self, kernel: KernelChoice, program: Program, schedule: SparseSchedule, others: int
    ) -> Symptom | None:
        """Run a program: the first symptom that is to stop hypothesis."""
        bench = Bench(program, kernel)
        observed = Observed(bench)
        memory = Memory()
        first: Symptom | None = None
        bound = 200
        # hypothesis makes sure that what has failed fails again.
        result = ChunkResult() if len(self.found) > len(self.known) else self.result
        for repeat in range(SCHEDULES_PER_PROGRAM):
            index = self.job.start + result.executions
            sleepers = Sleepers(SparseReplay(schedule))
            strategy, scheduler = STRATEGY, cast(Scheduler, sleepers)
            if repeat:
                strategy, scheduler = self.portfolio.make(others, repeat, bound, memory)
            last = PlaceRecorder(scheduler) if repeat == SCHEDULES_PER_PROGRAM - 1 else None
            execution = execute(bench, last or scheduler, index)
            if last is not None:
                self.places |= last.places
            observed.note(execution, sleepers.most)
            result.executions += 1
            result.steps += len(execution.turns)
            bound = max(len(execution.turns), 1)
            raw = self.judged(kernel, program, execution, strategy, index)
            first = first or raw
        observed.report()
        return first

    def judged(
        self, kernel: KernelChoice, program: Program, execution: Execution, strategy: str, index: int
    ) -> Symptom | None:
        """The symptom of an execution, if it is to stop hypothesis; it goes into the result the first time."""
        violation = verdict(execution)
        if violation is None:
            self.result.stuck += bool(execution.stuck)
            return None
        symptom = symptom_of(violation)
        if (symptom, kernel) in self.known:
            self.result.repeats[symptom] = self.result.repeats.get(symptom, 0) + 1
            return None
        if (symptom, kernel) not in self.found:
            self.found[symptom, kernel] = None
            raw = RawFailure(index, kernel, symptom, program, tuple(execution.turns), strategy)
            self.result.failures.append(raw)
        return symptom


def drawn(filesystem: str) -> st.SearchStrategy[Program]:
    """What the generator's actors do, by a seed as the built-in engine has it, or by choices that hypothesis makes and
    can vary; or any valid calls."""
    seeded = st.integers(0, _SEEDS - 1).map(lambda number: generate(Random(number), filesystem))
    chosen = st.randoms(use_true_random=False).map(lambda rng: generate(rng, filesystem))
    return st.one_of(seeded, chosen, programs(tasks=3, calls=5, files=2, pages=3))
