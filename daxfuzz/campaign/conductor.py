"""The process that a campaign is: gives out work, and writes what comes of it."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from secrets import token_hex
from typing import Any

from daxfuzz.campaign.atheris_slices import LONGER
from daxfuzz.campaign.bandit import FINDING, Bandit, gain
from daxfuzz.campaign.config import Way
from daxfuzz.campaign.crew import Crew, Outcome, Seat
from daxfuzz.campaign.desk import Desk
from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.disk import Disk
from daxfuzz.campaign.engines import ATHERIS
from daxfuzz.campaign.exchange import Exchange
from daxfuzz.campaign.findings import CASE, Known
from daxfuzz.campaign.job import Job
from daxfuzz.campaign.pending import Failure
from daxfuzz.campaign.slices import STRIDE, Slice, SliceResult
from daxfuzz.campaign.work import CanaryJob, CanaryResult, RecheckJob, hunt_canary, recheck
from daxfuzz.campaign.worker import VersionMismatch, run_slice
from daxfuzz.engines.code_version import version
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM
from daxfuzz.protocols.user_patches import PatchFileError

TRIES = 3
"""Times that a job is begun whose worker dies."""

ERRORS_IN_A_ROW = 10
"""Jobs that fail one after the other before the campaign gives up."""

WRITE_EVERY = 60.0
"""Seconds between two writes of sums that can be computed again."""

TRIAGE_GRACE = 5.0
"""Seconds that triage may take beyond the limit of time."""

TICK = 0.25
"""Seconds between two looks at limits."""

MAX_ERROR = 500
"""Characters of an error that are kept."""

OF_CAMPAIGN = "campaign"
"""The writer of lines that are no worker's."""


class CampaignError(Exception):
    """The campaign cannot go on. One line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop. seconds: of this start; None for no limit.

    finish_triage: whether failures that wait at the end are dealt with, however long that takes.
    """

    seconds: float | None = None
    finish_triage: bool = False


@dataclass(slots=True)
class News:
    """What has just happened that a reader wants to know. loud: what must not be missed."""

    text: str
    loud: bool = False


@dataclass(slots=True)
class State:
    """What only this start of a campaign knows.

    since: executions before it. new: signatures that it has found. news: everything that was told, in order.
    disk_full: what the disk has no space for; empty if it has.
    """

    since: int = 0
    new: list[str] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    disk_full: str = ""


class Conductor:
    """Runs a campaign in a directory that it has taken.

    on_update: called often, with this object.
    """

    def __init__(
        self, directory: Directory, crew: Crew, limits: Limits, on_update: Callable[[Conductor], None] | None = None
    ) -> None:
        self.directory = directory
        self.crew = crew
        self.limits = limits
        self.on_update = on_update or (lambda conductor: None)
        self.config = directory.config
        self.totals = directory.totals
        self.version = version()
        self.name = token_hex(8)
        self.state = State(since=self.totals.whole.executions)
        self.disk = Disk(self._wait_for_space, self.out_of_time)
        self.desk = Desk(directory, self.insist, self.version, self.campaign_seconds, self._new_finding)
        self.exchange = Exchange()
        self.running: dict[Seat, Job] = {}
        self.again: deque[Job] = deque()
        known = directory.findings.known.values()
        self.rechecks = deque(each for each in known if each.version != self.version)
        self.kernels, self.ways = self._bandits()
        self.before = self.totals.running
        self.started = time.monotonic()
        self.next_canary = 0.0
        self.written = 0.0
        self.errors_in_a_row = 0
        self.was_triage = False
        self.next_slice = self.totals.next_slice
        self.hunts = self.totals.canary.hunts

    def _bandits(self) -> tuple[Bandit[str], dict[str, Bandit[Way]]]:
        """What is chosen: a kernel, and then a way to look at it; with what earlier starts have learned."""
        config = self.config
        names = self.directory.kernels
        kernels = Bandit({name: config.weight(kernel.spec) for name, kernel in names.items()})
        ways = {name: Bandit({way: config.weight(way=way) for way in config.ways()}) for name in names}
        for (kernel, engine, strategy), past in self.totals.by_arm.items():
            # Which slices were the latest is not known any more, but how much they have brought on average.
            mean = gain(round(past.new_features / past.slices))
            kernels.recall(kernel, mean, past.seconds / past.slices, past.seconds)
            if kernel in ways:
                ways[kernel].recall(Way(engine, strategy), mean, past.seconds / past.slices, past.seconds)
        return kernels, ways

    # -- the loop ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until a limit is reached. Raises CampaignError, DiskFull or PatchFileError."""
        self.started = time.monotonic()
        self.note(OF_CAMPAIGN, {"event": "start", "version": self.version, "workers": len(self.crew.seats())})
        while not self.finished():
            self.fill()
            for outcome in self.crew.outcomes(TICK):
                self.take(outcome)
            if self.seconds - self.written >= WRITE_EVERY:
                self.save_sums()
            self.on_update(self)
        self.note(OF_CAMPAIGN, {"event": "end"})
        self.save_sums()
        self.on_update(self)

    @property
    def seconds(self) -> float:
        """How long this start has run."""
        return time.monotonic() - self.started

    def campaign_seconds(self) -> float:
        """How long the campaign has run, over all starts."""
        return self.before + self.seconds

    def seconds_left(self) -> float | None:
        """Until the first limit of time; None if there is none."""
        limits = [] if self.limits.seconds is None else [self.limits.seconds - self.seconds]
        limits += [] if self.config.seconds is None else [self.config.seconds - self.campaign_seconds()]
        return min(limits, default=None)

    def out_of_time(self) -> bool:
        """Whether a limit of time or of executions is reached."""
        left = self.seconds_left()
        most = self.config.executions
        return (left is not None and left <= 0) or (most is not None and self.totals.whole.executions >= most)

    def finished(self) -> bool:
        """Whether there is nothing more to wait for."""
        if not self.out_of_time():
            return False
        if self.limits.finish_triage:
            return not self.running and not self.again and not self.desk.waiting
        left = self.seconds_left()
        late = left is not None and left <= -TRIAGE_GRACE
        return not self.running or (late and all(job.triage for job in self.running.values()))

    def fill(self) -> None:
        """Give work to everyone who has none."""
        seats = self.crew.seats()
        if not seats and not self.running:
            raise CampaignError("no worker is left")
        for seat in seats:
            job = None if seat in self.running else self.next_job(seat, len(seats))
            if job is not None:
                job.tries += 1
                self.was_triage = job.triage
                self.running[seat] = job
                self.crew.submit(seat, job.function, job.argument)

    def take(self, outcome: Outcome) -> None:
        """Deal with the end of a job."""
        job = self.running.pop(outcome.seat)
        if job.arm is not None:
            kernel, way = job.arm
            self.kernels.end(kernel, self.planned(way))
            self.ways[kernel].end(way, self.planned(way))
        if outcome.lost:
            self.lose(outcome.seat, job)
        elif outcome.error is not None:
            self.fail(outcome.seat, job, outcome.error)
        else:
            self.errors_in_a_row = 0
            job.done(outcome.seat, outcome.result)
        self.on_update(self)

    def lose(self, seat: Seat, job: Job) -> None:
        """A worker has died: its job is done again, unless it seems to be the reason."""
        self.exchange.forget(seat)
        self.note(OF_CAMPAIGN, {"event": "lost", "worker": seat.name, "job": job.what})
        if job.tries < TRIES:
            self.tell(f"worker {seat.name} died in {job.what}; that is done again")
            self.again.append(replace(job, arm=None))
        else:
            self.tell(f"{job.what} is given up: {TRIES} workers have died in it", loud=True)
            job.failed(CampaignError(f"{TRIES} workers have died in it"))

    def fail(self, seat: Seat, job: Job, error: Exception) -> None:
        """A worker has raised something."""
        if isinstance(error, PatchFileError):
            raise error
        if isinstance(error, VersionMismatch):
            self.crew.retire(seat)
            self.exchange.forget(seat)
            self.tell(f"worker {seat.name} gets no work: {error}", loud=True)
            self.again.append(replace(job, tries=job.tries - 1, arm=None))
            return
        self.errors_in_a_row += 1
        what = f"{type(error).__name__}: {error}"
        self.note(OF_CAMPAIGN, {"event": "error", "job": job.what, "error": what[:MAX_ERROR]})
        self.tell(f"{job.what} failed: {what[:MAX_ERROR]}", loud=True)
        if self.errors_in_a_row == ERRORS_IN_A_ROW:
            raise CampaignError(f"{ERRORS_IN_A_ROW} jobs have failed one after the other, the last: {what[:MAX_ERROR]}")
        job.failed(error)

    # -- what to do next ---------------------------------------------------------------------------------------------

    def next_job(self, seat: Seat, seats: int) -> Job | None:
        """What a worker does next; None for nothing."""
        if self.again:
            return self.again.popleft()
        if self.out_of_time():
            return self.desk.next() if self.limits.finish_triage else None
        if self.config.canary is not None and self.seconds >= self.next_canary:
            return self.next_hunt()
        if self.rechecks:
            return self.next_recheck(self.rechecks.popleft())
        busy = sum(job.triage for job in self.running.values())
        # Half of all for triage, or every second job of one.
        if busy < max(seats // 2, 1) and not (seats == 1 and self.was_triage):
            job = self.desk.next()
            if job is not None:
                return job
        return self.next_slice_for(seat)

    def next_hunt(self) -> Job:
        """Is the canary still alive?"""
        canary = self.config.canary
        assert canary is not None
        self.next_canary = self.seconds + canary.every
        self.hunts += 1
        return Job(
            "a hunt for the canary",
            hunt_canary,
            CanaryJob(canary, self.hunts - 1, self.config.seed, self.version),
            self.take_canary,
            lambda error: self.take_canary(Seat(OF_CAMPAIGN), CanaryResult(False, 0, 0.0)),
        )

    def next_recheck(self, known: Known) -> Job:
        """Does an old finding still show?"""
        text = (self.directory.findings.path(known) / CASE).read_text(encoding="utf-8")
        kernel = self.directory.kernels.get(known.kernel)
        return Job(
            f"another look at {known.signature}",
            recheck,
            RecheckJob(text, () if kernel is None else kernel.files, self.version),
            lambda seat, why: self.take_recheck(known, why),
            lambda error: self.take_recheck(known, str(error)),
            triage=True,
        )

    def next_slice_for(self, seat: Seat) -> Job:
        """The slice that pays most, or one that had too little so far."""
        number = self.next_slice
        self.next_slice += 1
        rng = random.Random(self.config.seed << 64 | number)
        kernel = self.kernels.choose(rng)
        way = self.ways[kernel].choose(rng)
        planned = self.planned(way)
        self.kernels.begin(kernel, planned)
        self.ways[kernel].begin(way, planned)
        left = self.seconds_left()
        most = self.config.executions
        job = Slice(
            number=number,
            kernel_id=kernel,
            kernel=self.directory.kernels[kernel],
            repairs=self.desk.repairs(kernel),
            engine=way.engine,
            strategy=way.strategy,
            seed=self.config.seed,
            seconds=planned if left is None else min(planned, left),
            executions=None if most is None else max(most - self.totals.whole.executions, 1),
            entries=self.exchange.lacking(seat, kernel, self.directory.corpora[kernel]),
            campaign=self.name,
            version=self.version,
        )
        return Job(
            f"slice {number} ({kernel}, {way})",
            run_slice,
            job,
            lambda seat, result: self.take_slice(seat, job, result),
            lambda error: None,
            arm=(kernel, way),
        )

    def planned(self, way: Way) -> float:
        """Seconds of a slice."""
        return self.config.slice_seconds * (LONGER if way.engine == ATHERIS else 1.0)

    # -- what came of it ---------------------------------------------------------------------------------------------

    def take_slice(self, seat: Seat, job: Slice, result: SliceResult) -> None:
        """Write what a slice has brought: failures first, then inputs, then the line that says that it is done."""
        way = Way(job.engine, job.strategy)
        corpus = self.directory.corpora[job.kernel_id]
        known = len(corpus.features)
        self.take_failures(job, result)
        kept = self.take_inputs(seat, job, result)
        corpus.count(result.features)
        new = len(corpus.features) - known
        worth = gain(new)
        self.kernels.learn(job.kernel_id, worth, result.seconds)
        self.ways[job.kernel_id].learn(way, worth, result.seconds)
        self.note(
            seat.name,
            {
                "event": "slice",
                "n": job.number,
                "kernel": job.kernel_id,
                "engine": job.engine,
                "strategy": job.strategy,
                "seconds": round(result.seconds, 3),
                "executions": result.executions,
                "steps": result.steps,
                "stuck": result.stuck,
                "programs": result.programs,
                "tasks": result.tasks,
                "sampled": result.sampled,
                "new": new,
                "inputs": kept,
                "hits": [[s.kind, s.function, s.channel, count] for s, count in result.hits.items()],
            },
        )

    def take_failures(self, job: Slice, result: SliceResult) -> None:
        """Failures of a slice, with how many executions it took to see them."""
        arm = (job.kernel_id, job.engine, job.strategy)
        of_way = self.totals.by_arm[arm].executions if arm in self.totals.by_arm else 0
        first = job.number * STRIDE * SCHEDULES_PER_PROGRAM
        for raw in result.failures:
            place = raw.index - first + 1
            self.desk.take(
                Failure(raw, job.kernel_id, job.engine, self.totals.whole.executions + place, of_way + place)
            )

    def take_inputs(self, seat: Seat, job: Slice, result: SliceResult) -> int:
        """Inputs of a slice that the corpus lacks: how many these were."""
        corpus = self.directory.corpora[job.kernel_id]
        kept = 0
        for entry in result.entries:
            if corpus.lacks(entry):
                self.insist(partial(corpus.add, entry))
                kept += 1
        self.exchange.given(seat, job.kernel_id, (*job.entries, *result.entries))
        return kept

    def take_canary(self, seat: Seat, result: CanaryResult) -> None:
        """What a hunt says about the campaign itself."""
        assert self.config.canary is not None
        line = {"event": "canary", "alive": result.alive, "executions": result.executions}
        self.note(OF_CAMPAIGN, {**line, "seconds": round(result.seconds, 3)})
        if not result.alive:
            self.tell(
                f"the canary is dead: {self.config.canary.bug} was not found in {result.executions:,} executions; "
                "what this campaign does not find says nothing",
                loud=True,
            )

    def take_recheck(self, known: Known, why: str) -> None:
        """Mark a finding as stale, or as seen by this version."""
        self.insist(partial(self.directory.findings.checked, known.signature, self.version, why))
        if why and not known.stale:
            self.note(OF_CAMPAIGN, {"event": "stale", "signature": known.signature, "why": why})
            self.tell(f"stale: {known.signature}: {why}")

    def _new_finding(self, known: Known) -> None:
        way = Way(known.engine, known.strategy)
        self.kernels.reward(known.kernel, FINDING)
        if known.kernel in self.ways:
            self.ways[known.kernel].reward(way, FINDING)
        self.state.new.append(known.signature)
        self.note(OF_CAMPAIGN, {"event": "finding", "signature": known.signature, "kernel": known.kernel})
        self.tell(f"new: {known.signature} on {known.kernel} -> {self.directory.findings.path(known)}")

    # -- writing -----------------------------------------------------------------------------------------------------

    def note(self, writer: str, line: dict[str, Any]) -> None:
        """Write a line, and count it."""
        whole = {**line, "t": round(self.campaign_seconds(), 3), "at": round(time.time(), 3)}
        self.insist(partial(self.directory.stats.add, writer, whole))
        self.totals.add(whole)

    def tell(self, text: str, loud: bool = False) -> None:
        """Say something to who looks on."""
        self.state.news.append(News(text, loud))

    def save_sums(self) -> None:
        """Write what can be computed again from what was written before."""
        # Importing it takes longer than most commands.
        from daxfuzz.campaign.openmetrics import save_metrics

        self.written = self.seconds
        for corpus in self.directory.corpora.values():
            self.insist(corpus.save_seen)
        for signature, counts in self.directory.counts().items():
            self.insist(partial(self.directory.findings.save_counts, signature, counts))
        self.insist(partial(save_metrics, self.directory))

    def _wait_for_space(self, error: OSError) -> None:
        if not self.state.disk_full:
            self.tell(f"the disk is full ({error.filename or self.directory.path}): waiting for space", loud=True)
        self.state.disk_full = str(error)
        self.on_update(self)

    def insist(self, write: Callable[[], object]) -> None:
        """Write, and wait for space if there is none. Raises as Disk.insist."""
        self.disk.insist(write)
        if self.state.disk_full:
            self.state.disk_full = ""
            self.tell("there is space on the disk again")
