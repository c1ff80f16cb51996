"""An audit: all mutants, first a little of the workload each, then more for those that live, saved as it goes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import daxfuzz
from daxfuzz.bench.audit.mutants import Mutant
from daxfuzz.bench.audit.reasons import LastAudit, reason_for
from daxfuzz.bench.audit.workload import Death, Part, ProgramRun, Reach, Verdict, judge, look
from daxfuzz.engines.fuzz import workers
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM

FIRST = 400
GROWTH = 5
"""Executions that each mutant gets at first, and how many times as many those that live get after each round."""

LOOKED = 5
"""Programs of one job on the kernel itself."""

JUDGED = 800
"""Executions of one job on a mutant, about."""

EXPLAINED = 2_000
"""Executions that a mutant gets at most for which there is a reason: enough to see most reasons that are wrong."""

SAVE_EVERY = 2.0
"""Seconds between two writes of the results."""

VERSION = 2
"""Of the file, and of what the workload is."""

MODEL = ("kernel", "oracles", "program", "protocols", "search", "sim")
"""Packages on which the outcome of an execution depends."""


Running = dict[Future[Verdict], tuple[Mutant, int]]
"""Jobs of mutants, with how many programs are decided when they end."""


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """What to audit. executions: of the workload, for each mutant. path: of the results."""

    protocol: str
    mutants: tuple[Mutant, ...]
    executions: int
    seed: int
    workers: int
    path: Path


@dataclass(slots=True)
class Record:
    """How far a mutant is.

    digest: of the mutant.
    decided: programs of its workload of which the outcome is known, in order.
    ran: executions of these that come by the change, and were run.
    executions: to its death.
    """

    digest: str
    decided: int = 0
    ran: int = 0
    death: Death | None = None
    executions: int = 0


class OtherRun(Exception):
    """A file with the results of something else. One line."""


@dataclass(slots=True)
class AuditStatus:
    """How far an audit is.

    goal: executions of the workload that the present round gives to each mutant.
    settled: mutants that need nothing more in this round. looking: programs to be run on the kernel itself.
    """

    mutants: int = 0
    goal: int = 0
    settled: int = 0
    looking: int = 0
    killed: int = 0
    alive: int = 0
    executions: int = 0
    seconds: float = 0.0
    deaths: list[str] = field(default_factory=list)


class Audit:
    """One audit. on_update: called with the status whenever it has changed."""

    def __init__(self, settings: AuditSettings, on_update: Callable[[AuditStatus], None] | None = None) -> None:
        self.settings = settings
        self.on_update = on_update or (lambda status: None)
        self.functions = frozenset(mutant.function for mutant in settings.mutants)
        self.records: dict[str, Record] = {mutant.name: Record(mutant.digest) for mutant in settings.mutants}
        self.reach: dict[ProgramRun, Reach] = {}
        self.others: dict[str, Any] = {}
        self.status = AuditStatus(len(settings.mutants))
        self.started = time.monotonic()
        self.saved = 0.0
        self.load()

    def run(self) -> None:
        """Run to the end. What is known is saved also when something ends it early."""
        self.started = time.monotonic()
        try:
            with workers(self.settings.workers) as pool:
                for goal in self.rounds():
                    self.status.goal = goal
                    mutants = self.wanted(goal)
                    self.look_at(pool, mutants, goal)
                    self.judge_all(pool, mutants, goal)
        finally:
            self.save()
        self.update()

    def rounds(self) -> Iterator[int]:
        """Executions of the workload that each mutant has got after each round."""
        goal = FIRST
        while goal < self.settings.executions:
            yield goal
            goal *= GROWTH
        yield self.settings.executions

    # -- the kernel itself -------------------------------------------------------------------------------------------

    def look_at(self, pool: Executor, mutants: Sequence[Mutant], goal: int) -> None:
        """Run the programs of a round on the kernel itself, as far as these mutants need them."""
        wanted = dict.fromkeys(
            program
            for filesystems in dict.fromkeys(mutant.live.filesystems for mutant in mutants)
            for program in workload(filesystems, 0, goal)
            if program not in self.reach
        )
        programs = list(wanted)
        self.status.looking = len(programs)
        jobs = [tuple(programs[at : at + LOOKED]) for at in range(0, len(programs), LOOKED)]
        settings = self.settings
        futures = [pool.submit(look, settings.protocol, self.functions, settings.seed, job) for job in jobs]
        for future in futures:
            for reach in self.result(future):
                self.reach[reach.program] = reach
                self.status.looking -= 1
                self.status.executions += SCHEDULES_PER_PROGRAM
            self.update()

    def result(self, future: Future[list[Reach]]) -> list[Reach]:
        """Wait for a job."""
        while True:
            try:
                return future.result(timeout=0.25)
            except TimeoutError:
                self.update()

    # -- mutants -----------------------------------------------------------------------------------------------------

    def alive(self) -> list[Mutant]:
        """The mutants that have not died."""
        return [mutant for mutant in self.settings.mutants if self.records[mutant.name].death is None]

    def wanted(self, goal: int) -> list[Mutant]:
        """The mutants that live and need a round up to this goal."""
        explained = goal > EXPLAINED
        return [each for each in self.alive() if not explained or not reason_for(self.settings.protocol, each.name)]

    def judge_all(self, pool: Executor, mutants: Sequence[Mutant], goal: int) -> None:
        """Run these mutants up to the goal of a round."""
        waiting = deque(mutants)
        running: Running = {}
        # As many jobs in hand as keep the workers busy, and no more: each depends on the one before of its mutant.
        hand = 2 * (self.settings.workers or len(os.sched_getaffinity(0)))
        self.status.settled = len(self.settings.mutants) - len(waiting)
        while waiting or running:
            while waiting and len(running) < hand:
                self.submit(pool, waiting.popleft(), goal, running)
            done, _ = wait(running, timeout=0.25, return_when=FIRST_COMPLETED)
            for future in done:
                mutant, decided = running.pop(future)
                if self.take(mutant, decided, future.result()):
                    waiting.append(mutant)
                else:
                    self.status.settled += 1
            self.update()

    def submit(
        self, pool: Executor, mutant: Mutant, goal: int, running: dict[Future[Verdict], tuple[Mutant, int]]
    ) -> None:
        """Hand the next executions of a mutant's workload that come by its change to a worker, if there are any."""
        record = self.records[mutant.name]
        parts: list[Part] = []
        decided = record.decided
        executions = 0
        for program in workload(mutant.live.filesystems, decided, goal):
            part = self.reach[program].part(mutant.sites)
            if part is not None:
                parts.append(part)
                executions += len(part.executions)
            decided += 1
            if executions >= JUDGED:
                break
        if not parts:
            record.decided = decided
            self.status.settled += 1
            return
        future = pool.submit(judge, self.settings.protocol, mutant.name, self.settings.seed, tuple(parts))
        running[future] = mutant, decided

    def take(self, mutant: Mutant, decided: int, verdict: Verdict) -> bool:
        """Note what came of a job: whether the mutant lives."""
        record = self.records[mutant.name]
        record.ran += verdict.ran
        self.status.executions += verdict.ran
        if verdict.death is None:
            record.decided = decided
            return True
        record.death = verdict.death
        filesystems = mutant.live.filesystems
        place = verdict.death.program.number * len(filesystems) + filesystems.index(verdict.death.program.filesystem)
        record.decided = place + 1
        record.executions = place * SCHEDULES_PER_PROGRAM + verdict.death.executions
        self.status.deaths.append(f"{mutant.name}: {verdict.death.kind} after {record.executions:,} executions")
        return False

    def update(self) -> None:
        """Tell how far the audit is, and save what is new now and then."""
        status = self.status
        status.alive = len(self.alive())
        status.killed = status.mutants - status.alive
        status.seconds = time.monotonic() - self.started
        if status.seconds - self.saved >= SAVE_EVERY:
            self.save()
            self.saved = status.seconds
        self.on_update(status)

    # -- the file ----------------------------------------------------------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """What results have to agree in to be continued."""
        return {
            "version": VERSION,
            "protocol": self.settings.protocol,
            "seed": self.settings.seed,
            "model": model_digest(),
        }

    def load(self) -> None:
        """Go on from a file, if there is one. Raises OtherRun."""
        path = self.settings.path
        if not path.exists():
            return
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            same = {key: document.get(key) for key in self.identity()} == self.identity()
        except (ValueError, AttributeError):
            raise OtherRun(f"{path}: no results of an audit") from None
        if not same:
            raise OtherRun(
                f"{path}: results of another protocol, seed, or version of the model; use --fresh or --results"
            )
        for name, saved in document["mutants"].items():
            if name not in self.records:
                self.others[name] = saved
                continue
            if saved["digest"] != self.records[name].digest:
                # An operator makes something else of this name by now.
                continue
            death = saved["death"]
            if death is not None:
                death = Death(**{**death, "program": ProgramRun(**death["program"])})
            self.records[name] = Record(saved["digest"], saved["decided"], saved["ran"], death, saved["executions"])

    def save(self) -> None:
        """Write what is known, at once as a whole."""
        mutants = self.others | {name: asdict(record) for name, record in self.records.items()}
        document = self.identity() | {"executions": self.settings.executions, "mutants": mutants}
        path = self.settings.path
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_text(json.dumps(document), encoding="utf-8")
        temporary.replace(path)


def workload(filesystems: Sequence[str], start: int, executions: int) -> Iterator[ProgramRun]:
    """The programs of so many executions, on one file system after the other, without the first ones."""
    for at in range(start, -(-executions // SCHEDULES_PER_PROGRAM)):
        number, filesystem = divmod(at, len(filesystems))
        yield ProgramRun(filesystems[filesystem], number)


def model_digest() -> str:
    """Changes with everything that the outcome of an execution depends on."""
    root = Path(daxfuzz.__file__).parent
    digest = hashlib.sha256()
    for path in (path for part in MODEL for path in sorted((root / part).rglob("*.py"))):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


# -- what came of it -------------------------------------------------------------------------------------------------

KILLED = "killed"
EQUIVALENT = "equivalent"
SURVIVED = "survived"
NOT_REACHED = "not reached"
UNDECIDED = "undecided"

OPEN = (SURVIVED, NOT_REACHED, UNDECIDED)
"""Neither dead nor explained."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one mutant.

    outcome: one of the above; undecided if the audit was interrupted before.
    executions: to its death, else those of the workload that it got; ran: those of them that come by the change.
    """

    mutant: Mutant
    outcome: str
    executions: int
    ran: int
    kind: str
    where: str
    filesystem: str
    reason: str


def outcome_of(audit: Audit, mutant: Mutant) -> Outcome:
    """What came of a mutant."""
    record = audit.records[mutant.name]
    reason = reason_for(audit.settings.protocol, mutant.name)
    ran = record.ran
    if record.death is not None:
        death = record.death
        return Outcome(
            mutant, KILLED, record.executions, ran, death.kind, death.function, death.program.filesystem, reason
        )
    executions = record.decided * SCHEDULES_PER_PROGRAM
    if reason:
        outcome = EQUIVALENT
    elif executions < audit.settings.executions:
        outcome = UNDECIDED
    else:
        outcome = SURVIVED if ran else NOT_REACHED
    return Outcome(mutant, outcome, executions, ran, "", "", "", reason)


def outcomes(audit: Audit) -> list[Outcome]:
    """What came of all mutants."""
    return [outcome_of(audit, mutant) for mutant in audit.settings.mutants]


def summary(audit: Audit) -> LastAudit:
    """The figures of an audit."""
    found = [each.outcome for each in outcomes(audit)]
    counted = sum(outcome != EQUIVALENT for outcome in found)
    return LastAudit(audit.settings.protocol, audit.settings.executions, counted, found.count(KILLED))
