"""Slices of hypothesis, whose programs go into the corpus if they show something."""

from __future__ import annotations

import time

from daxfuzz.campaign.slices import STRIDE, Entry, Knowledge, Slice, SliceResult
from daxfuzz.engines.features import Collector
from daxfuzz.engines.hypothesis.chunk import Examples, ExamplesJob
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM, Symptom
from daxfuzz.program.bytes_form import encode
from daxfuzz.program.case import Program
from daxfuzz.search import MIX, SparseReplay
from daxfuzz.sim import SparseSchedule
from daxfuzz.triage.bench import Bench, KernelChoice

EXECUTIONS = 400
"""Of one search; what hypothesis learns is for one search only."""


class SampledExamples(Examples):
    """A chunk that looks at the features of each program under the schedule that hypothesis has drawn with it."""

    def __init__(self, job: ExamplesJob, knowledge: Knowledge, outcome: SliceResult) -> None:
        super().__init__(job)
        self.knowledge = knowledge
        self.outcome = outcome

    def executions(
        self, kernel: KernelChoice, program: Program, schedule: SparseSchedule, others: int
    ) -> Symptom | None:
        """Run a program, as the engine does."""
        symptom = super().executions(kernel, program, schedule, others)
        self.outcome.programs += 1
        self.outcome.tasks += len(program.tasks)
        new = self.knowledge.unknown(Collector(Bench(program, kernel)).run(SparseReplay(schedule))[1])
        if new:
            self.knowledge.keep(Entry(encode(program, schedule), new, sampled=False), self.outcome)
        return symptom


def run_hypothesis(job: Slice, knowledge: Knowledge) -> SliceResult:
    """Let hypothesis draw programs. Raises as the engine."""
    outcome = SliceResult()
    start = job.number * STRIDE * SCHEDULES_PER_PROGRAM
    end = time.monotonic() + job.seconds
    while time.monotonic() < end and (job.executions is None or outcome.executions < job.executions):
        at = start + outcome.executions
        examples = ExamplesJob(job.kernel, job.seed, at, EXECUTIONS, job.repairs, dict(MIX), None)
        result = SampledExamples(examples, knowledge, outcome).run()
        outcome.executions += result.executions
        outcome.steps += result.steps
        outcome.stuck += result.stuck
        outcome.failures += result.failures
        for symptom, count in result.repeats.items():
            outcome.hits[symptom] = outcome.hits.get(symptom, 0) + count
        for failure in result.failures:
            outcome.hits[failure.symptom] = outcome.hits.get(failure.symptom, 0) + 1
    return outcome
