"""What workers do beside slices: triage, looking again at what was found, and hunting the canary."""

from __future__ import annotations

import time
from dataclasses import dataclass

from daxfuzz.campaign.config import Canary
from daxfuzz.campaign.slices import STRIDE
from daxfuzz.campaign.worker import check_version
from daxfuzz.engines.jobs import (
    Cause,
    Chunk,
    ChunkJob,
    RawFailure,
    run_cause,
    run_triage,
)
from daxfuzz.program.dax_file import loads_case
from daxfuzz.program.errors import InputError
from daxfuzz.protocols.compose import ComposeError
from daxfuzz.protocols.registry import UnknownName, bug
from daxfuzz.search import MIX
from daxfuzz.triage.bench import Bench, KernelChoice
from daxfuzz.triage.finding import Finding, Known
from daxfuzz.triage.render import text_table
from daxfuzz.triage.replay import replay_case


@dataclass(frozen=True, slots=True)
class CauseJob:
    """Why does this fail? earlier: findings of the same kernel, which may account for it."""

    raw: RawFailure
    earlier: tuple[Known, ...]
    version: str


def find_cause(job: CauseJob) -> Cause | None:
    """The cause of a failure; None if an earlier finding accounts for it."""
    check_version(job.version)
    return run_cause(job.raw, job.earlier)


@dataclass(frozen=True, slots=True)
class TriageJob:
    """Make a finding of this. target: the kernel that its case is to be for."""

    raw: RawFailure
    cause: Cause
    target: KernelChoice
    version: str


@dataclass(frozen=True, slots=True)
class Triaged:
    """A finding, and its table for a reader."""

    finding: Finding
    table: str


def do_triage(job: TriageJob) -> Triaged:
    """Minimize and attribute a failure."""
    check_version(job.version)
    finding = run_triage(job.raw, job.cause, job.target)
    kernel = KernelChoice(finding.case.kernel, job.target.files)
    replayed = replay_case(finding.case, kernel)
    return Triaged(finding, text_table(Bench(finding.case.program, kernel), replayed.execution))


@dataclass(frozen=True, slots=True)
class RecheckJob:
    """Does this case still show what it declares? files: of the user's patches."""

    case: str
    files: tuple[str, ...]
    version: str


def recheck(job: RecheckJob) -> str:
    """Why a case does not show what it declares; empty if it does."""
    check_version(job.version)
    try:
        case = loads_case(job.case)
        replayed = replay_case(case, KernelChoice(case.kernel, job.files))
    except (InputError, UnknownName, ComposeError) as error:
        return str(error)
    if replayed.kind == case.finding:
        return ""
    return f"shows {replayed.kind} instead of {case.finding}"


@dataclass(frozen=True, slots=True)
class CanaryJob:
    """Find the planted bug again. number: of the hunt, from 0."""

    canary: Canary
    number: int
    seed: int
    version: str


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """Whether a hunt has found the bug, and what it took."""

    alive: bool
    executions: int
    seconds: float


def hunt_canary(job: CanaryJob) -> CanaryResult:
    """Fuzz the kernel with the planted bug until a failure is one of its kinds and is attributed to it."""
    check_version(job.version)
    started = time.monotonic()
    planted = bug(job.canary.bug)
    first = job.number * STRIDE
    chunk = Chunk(ChunkJob(job.canary.kernel(), job.seed, 0, 0, (), dict(MIX)))
    looked_at = 0
    alive = False
    number = first
    while not alive and chunk.result.executions < job.canary.executions:
        chunk.run_program(number)
        number += 1
        for raw in chunk.result.failures[looked_at:]:
            if raw.symptom.kind in planted.kinds and not alive:
                cause = run_cause(raw, ())
                alive = cause is not None and cause.repair == job.canary.bug
        looked_at = len(chunk.result.failures)
    return CanaryResult(alive, chunk.result.executions, time.monotonic() - started)
