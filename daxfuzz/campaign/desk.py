"""Triage in a campaign: what becomes of the failures that slices bring."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial

from daxfuzz.campaign.crew import Seat
from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.findings import Known
from daxfuzz.campaign.job import Job
from daxfuzz.campaign.pending import Failure
from daxfuzz.campaign.work import CauseJob, Triaged, TriageJob, do_triage, find_cause
from daxfuzz.engines.jobs import Cause, Symptom
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.dax_file import dumps_case
from daxfuzz.triage import finding as triage_finding

Group = tuple[str, str, str]
"""Kernel, kind of finding, and the repair of the flaw behind it: failures of which one stands for all."""


class Desk:
    """Failures that wait, and what is known of them.

    insist: writes, and waits for space. version: of daxfuzz. clock: seconds that the campaign has run.
    on_new: called with each new finding, after it was written.
    """

    def __init__(
        self,
        directory: Directory,
        insist: Callable[[Callable[[], object]], None],
        version: str,
        clock: Callable[[], float],
        on_new: Callable[[Known], None],
    ) -> None:
        self.directory = directory
        self.insist = insist
        self.version = version
        self.clock = clock
        self.on_new = on_new
        self._asked: set[str] = set()
        self._looked_at: Counter[tuple[str, str]] = Counter()
        self._groups: set[Group] = set()
        self._causes: deque[tuple[Failure, Cause, Group]] = deque()
        self._seen: set[tuple[str, Symptom, KernelSpec]] = set()
        for failure in self.waiting:
            self._seen.add(self._key(failure))

    @property
    def waiting(self) -> list[Failure]:
        """Failures that are no findings yet."""
        return list(self.directory.pending.waiting.values())

    @staticmethod
    def _key(failure: Failure) -> tuple[str, Symptom, KernelSpec]:
        return (failure.kernel, failure.raw.symptom, failure.raw.kernel.spec)

    def take(self, failure: Failure) -> None:
        """A slice has brought a failure: it is on disk when this returns, if its symptom is new for the repairs under
        which it was seen."""
        if self._key(failure) in self._seen:
            return
        if self.directory.findings.signature_of(failure.kernel, failure.raw.symptom) and not self._masked(failure):
            return
        self._seen.add(self._key(failure))
        self.insist(partial(self.directory.pending.add, failure))

    def _masked(self, failure: Failure) -> bool:
        """Whether it fails in spite of repairs: then it may well be something else."""
        return failure.raw.kernel.spec != self.directory.kernels[failure.kernel].spec

    def repairs(self, kernel: str) -> tuple[str, ...]:
        """Repairs of what was found on a kernel."""
        return tuple(dict.fromkeys(name for _, repairs in self.earlier(kernel) for name in repairs))

    def earlier(self, kernel: str) -> tuple[triage_finding.Known, ...]:
        """Kind and repairs of what was found on a kernel."""
        known = self.directory.findings.known.values()
        return tuple((each.kind, each.explained_by) for each in known if any(s[0] == kernel for s in each.symptoms))

    def next(self) -> Job | None:
        """The next thing to do about a failure: a finding of one whose cause is known, else the cause of one, of the
        kinds that were looked at least on its kernel the oldest: many of one kind do not hide the only one of another.
        """
        if self._causes:
            return self._triage(*self._causes.popleft())
        new = [each for each in self.directory.pending.waiting.items() if each[0] not in self._asked]
        if not new:
            return None
        name, failure = min(new, key=lambda each: self._looked_at[self._sort(each[1])])
        self._asked.add(name)
        self._looked_at[self._sort(failure)] += 1
        return self._cause(failure)

    @staticmethod
    def _sort(failure: Failure) -> tuple[str, str]:
        return (failure.kernel, failure.raw.symptom.kind)

    def _cause(self, failure: Failure) -> Job:
        return Job(
            f"the cause of {failure.raw.symptom.kind} on {failure.kernel}",
            find_cause,
            CauseJob(failure.raw, self.earlier(failure.kernel), self.version),
            lambda seat, cause: self._take_cause(failure, cause),
            partial(self._put_aside, failure),
            triage=True,
        )

    def _take_cause(self, failure: Failure, cause: Cause | None) -> None:
        kind = failure.raw.symptom.kind
        if cause is None:
            self._same_as_earlier(failure)
            return
        group = (failure.kernel, kind, cause.repair or failure.hash)
        if group in self._groups:
            # One of this flaw is in triage already, and is on disk until that is over.
            self.directory.pending.remove(failure)
            return
        self._groups.add(group)
        self._causes.append((failure, cause, group))

    def _same_as_earlier(self, failure: Failure) -> None:
        """An earlier finding accounts for a failure: which one of its kind is not known."""
        kind = failure.raw.symptom.kind
        known = self.directory.findings.known.values()
        for each in known:
            if each.kind == kind and any(symptom[0] == failure.kernel for symptom in each.symptoms):
                self._also(each.signature, failure)
                break
        self.directory.pending.remove(failure)

    def _also(self, signature: str, failure: Failure) -> None:
        self.insist(partial(self.directory.findings.also, signature, failure.kernel, failure.raw.symptom))

    def _triage(self, failure: Failure, cause: Cause, group: Group) -> Job:
        def failed(error: Exception) -> None:
            self._groups.discard(group)
            self._put_aside(failure, error)

        return Job(
            f"triage of {failure.raw.symptom.kind} on {failure.kernel}",
            do_triage,
            TriageJob(failure.raw, cause, self.directory.kernels[failure.kernel], self.version),
            lambda seat, triaged: self._take_triaged(seat, failure, group, triaged),
            failed,
            triage=True,
        )

    def _take_triaged(self, seat: Seat, failure: Failure, group: Group, triaged: Triaged) -> None:
        self._groups.discard(group)
        finding = triaged.finding
        findings = self.directory.findings
        new = finding.signature not in findings.known
        if new:
            known = self._known(failure, triaged)
            report = f"{finding.signature}\n{finding.message}\n\n{triaged.table}\n\ndaxfuzz repro case.dax\n"
            case = dumps_case(finding.case)
            self.insist(partial(findings.add, known, failure.case(), case, report))
            self.on_new(known)
        self._also(finding.signature, failure)
        self.directory.pending.remove(failure)

    def _known(self, failure: Failure, triaged: Triaged) -> Known:
        finding, symptom = triaged.finding, failure.raw.symptom
        return Known(
            signature=finding.signature,
            kind=finding.kind,
            message=finding.message,
            explained_by=finding.explained_by,
            kernel=failure.kernel,
            engine=failure.engine,
            strategy=failure.raw.strategy,
            executions=failure.executions,
            of_way=failure.of_way,
            at=time.time(),
            running=round(self.clock(), 3),
            version=self.version,
            tasks=finding.tasks,
            operations=finding.operations,
            preemptions=finding.preemptions,
            choices=finding.choices,
            steps=finding.steps,
            symptoms=((failure.kernel, symptom.kind, symptom.function, symptom.channel),),
        )

    def _put_aside(self, failure: Failure, error: Exception) -> None:
        why = f"{type(error).__name__}: {error}"
        self.insist(partial(self.directory.pending.put_aside, failure, why))
