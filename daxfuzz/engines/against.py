"""What do patches break: the same programs on a kernel without and with them, and what differs.

The two kernels take turns, round by round and chunk by chunk, so that they always have had the same executions. Two
random runs may miss things on either side. So whatever one kernel has shown is looked for on the other one, with the
minimized program, before it is called new or gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from daxfuzz.engines.fuzz import Found, Fuzzer, FuzzSettings, Status, saved, stop, workers
from daxfuzz.engines.jobs import Left, ModelError, RawFailure, Symptom, run_chunk, symptom_of
from daxfuzz.program.case import Program
from daxfuzz.program.dax_file import dumps_case, save_case
from daxfuzz.protocols.registry import PROTOCOLS, protocol
from daxfuzz.sim import Scheduler
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.finding import Finding
from daxfuzz.triage.replay import turns_of
from daxfuzz.triage.reproduce import THOROUGH, candidates, hints_of, replay

T = TypeVar("T")


class Group(StrEnum):
    """Where a finding shows. The values are directories of findings and keys of the JSON document."""

    NEW = "new"
    """Only with the patches."""

    GONE = "gone"
    """Only without them."""

    BOTH = "both"

    UNVERIFIED = "unverified"
    """Found on one kernel, not yet looked for on the other; only while a run goes on, or if it was interrupted."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A finding and where it shows. kernel: the one on which it was found first."""

    group: Group
    found: Found
    kernel: KernelChoice


@dataclass(slots=True)
class Comparison:
    """How far a comparison is.

    without, patched: how far each kernel is. executions, steps, seconds: of both together.
    found: by signature, in the order of discovery.
    history: every time that a finding got into a group, in order.
    verifying: findings that are being looked for on the other kernel.
    left: failures of either kernel that there was no time to minimize.
    """

    without: Status
    patched: Status
    seconds: float = 0.0
    found: dict[str, Compared] = field(default_factory=dict)
    history: list[Compared] = field(default_factory=list)
    verifying: int = 0

    left: list[Left] = field(default_factory=list)

    @property
    def executions(self) -> int:
        return self.without.executions + self.patched.executions

    @property
    def steps(self) -> int:
        return self.without.steps + self.patched.steps

    @property
    def executions_per_second(self) -> float:
        return self.executions / self.seconds if self.seconds else 0.0

    def of(self, group: Group) -> list[Found]:
        """The findings of a group."""
        return [each.found for each in self.found.values() if each.group is group]


class Comparer:
    """One run on two kernels.

    settings: its kernel is the one with the patches; limits are for both kernels together.
    without: the other kernel.
    on_update: called with the status whenever it has changed.

    A finding counts as new also if the patches only make it happen more easily and the search did not get to it
    without them, and as gone also if another failure always comes first now.
    """

    def __init__(
        self,
        settings: FuzzSettings,
        without: KernelChoice,
        on_update: Callable[[Comparison], None] | None = None,
    ) -> None:
        half = None if settings.executions is None else (settings.executions + 1) // 2
        alone = replace(settings, executions=half, directory=None)
        self.directory = settings.directory
        self.count = settings.workers
        self.on_update = on_update or (lambda status: None)
        self.without = Fuzzer(replace(alone, kernel=without), self.update)
        self.patched = Fuzzer(alone, self.update)
        self.taken = {Group.GONE: 0, Group.NEW: 0}
        self.status = Comparison(self.without.status, self.patched.status)
        self.started = time.monotonic()

    def run(self) -> Comparison:
        """Run until a limit is reached. What has been found is on disk before it is reported."""
        self.started = self.without.started = self.patched.started = time.monotonic()
        try:
            with workers(self.count) as pool:
                for start, count in self.without.rounds():
                    self.run_round(pool, start, count)
                    if self.without.out_of_time():
                        break
                if self.without.status.left or self.patched.status.left:
                    stop(pool)
        finally:
            self.update()
        return self.status

    def run_round(self, pool: Executor, start: int, count: int) -> None:
        """The same round on both kernels, and the verification of what it brought."""
        failures = self.run_chunks(pool, start, count)
        both = (self.without, self.patched)
        causes = [fuzzer.start_causes(pool, raw) for fuzzer, raw in zip(both, failures, strict=True)]
        started = [fuzzer.start_triage(pool, raw) for fuzzer, raw in zip(both, causes, strict=True)]
        for fuzzer, triages in zip(both, started, strict=True):
            fuzzer.finish_triage(triages)
        self.verify(pool)
        for fuzzer in (self.without, self.patched):
            self.status.left += [saved(each, self.directory) for each in fuzzer.status.left]

    def run_chunks(self, pool: Executor, start: int, count: int) -> tuple[list[RawFailure], list[RawFailure]]:
        """The chunks of a round, in pairs of which both are run or none."""
        pairs = [
            (pool.submit(run_chunk, one), pool.submit(run_chunk, other))
            for one, other in zip(self.without.jobs(start, count), self.patched.jobs(start, count), strict=True)
        ]
        failures: tuple[list[RawFailure], list[RawFailure]] = ([], [])
        for one, other in pairs:
            if self.without.dropped(one):
                other.cancel()
                continue
            failures[0].extend(self.without.merge(self.waited(one)))
            failures[1].extend(self.patched.merge(self.waited(other)))
        return failures

    def waited(self, future: Future[T]) -> T:
        """What a worker returns, with updates meanwhile."""
        while True:
            try:
                return future.result(timeout=0.25)
            except TimeoutError:
                self.update()

    def update(self, _: Status | None = None) -> None:
        """Take over what the two have found, and tell."""
        self.status.seconds = time.monotonic() - self.started
        for fuzzer, group in ((self.without, Group.GONE), (self.patched, Group.NEW)):
            for found in fuzzer.status.found[self.taken[group] :]:
                self.taken[group] += 1
                self.take(found, fuzzer.settings.kernel)
        self.on_update(self.status)

    def take(self, found: Found, kernel: KernelChoice) -> None:
        """A finding of one kernel. If the other one has had it, it is in both."""
        earlier = self.status.found.get(found.finding.signature)
        if earlier is None:
            self.put(Compared(Group.UNVERIFIED, found, kernel))
        elif earlier.group is not Group.BOTH and earlier.kernel != kernel:
            self.put(replace(earlier, group=Group.BOTH))

    def put(self, compared: Compared) -> None:
        """Write a finding where its group belongs, and only then remove it from where it was."""
        finding = compared.found.finding
        before = compared.found.path
        if self.directory is not None:
            path = self.directory / compared.group / finding.file_name()
            path.parent.mkdir(parents=True, exist_ok=True)
            save_case(path, dumps_case(finding.case))
            compared = replace(compared, found=replace(compared.found, path=path))
        self.status.found[finding.signature] = compared
        self.status.history.append(compared)
        if before is not None and before != compared.found.path:
            before.unlink(missing_ok=True)
            remove_if_empty(before.parent)

    def verify(self, pool: Executor) -> None:
        """Look on the other kernel for each finding that only one of them has shown, however late it is."""
        waiting = [each for each in self.status.found.values() if each.group is Group.UNVERIFIED]
        self.status.verifying = len(waiting)
        futures = [pool.submit(shows_too, each.found.finding, each.kernel, self.other(each.kernel)) for each in waiting]
        for each, future in zip(waiting, futures, strict=True):
            alone = Group.NEW if each.kernel == self.patched.settings.kernel else Group.GONE
            self.put(replace(each, group=Group.BOTH if self.waited(future) else alone))
            self.status.verifying -= 1
            self.update()

    def other(self, kernel: KernelChoice) -> KernelChoice:
        """The kernel that this is compared with."""
        patched = self.patched.settings.kernel
        return self.without.settings.kernel if kernel == patched else patched


def remove_if_empty(directory: Path) -> None:
    """Remove a directory unless there is something in it."""
    try:
        directory.rmdir()
    except OSError:
        return


def shows_too(finding: Finding, own: KernelChoice, other: KernelChoice) -> bool:
    """Whether the program of a finding on `own` fails on the other kernel in the same way, and for the same reason.

    The reason is the same if the repairs that explain the finding silence the other kernel, too; if nothing explains
    it, if the other kernel fails in spite of all of them. Raises ModelError if the finding does not replay.
    """
    case = finding.case
    failure = replay(case.program, KernelChoice(case.kernel, own.files), turns_of(case))
    if failure is None or failure.violation.kind != finding.kind:
        raise ModelError(f"{finding.signature} does not replay")
    symptom = symptom_of(failure.violation)
    hints = hints_of(failure)
    applied = [name for name in case.kernel.patches if name not in own.spec.patches]
    other = with_repairs(other, applied + [name for name in own.spec.bugs if name not in case.kernel.bugs])
    if not finding.explained_by:
        return shows(case.program, with_repairs(other, other.repairs()), symptom, hints)
    repaired = with_repairs(other, finding.explained_by)
    if not shows(case.program, other, symptom, hints):
        return False
    return repaired == other or not shows(case.program, repaired, symptom, hints)


def with_repairs(kernel: KernelChoice, names: Iterable[str]) -> KernelChoice:
    """A kernel with those of the repairs that it can have and has not."""
    possible = kernel.repairs()
    return kernel.plus(tuple(name for name in names if name in possible))


def shows(program: Program, kernel: KernelChoice, symptom: Symptom, hints: Iterable[Scheduler]) -> bool:
    """Whether a thorough search shows the symptom."""
    found = map(verdict, candidates(Bench(program, kernel), THOROUGH, hints))
    return any(each is not None and symptom_of(each) == symptom for each in found)


def fixed_form(name: str) -> tuple[str, tuple[str, ...]]:
    """A protocol with every known flaw repaired, as (protocol, patches on top). Raises UnknownName."""
    fixed = f"{name}-fixed"
    if name.endswith("-fixed") and name in PROTOCOLS:
        return name, ()
    return (fixed, ()) if fixed in PROTOCOLS else (name, tuple(each.slug() for each in protocol(name).repairs))
