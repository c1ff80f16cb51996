"""Findings: what the user gets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from daxfuzz.program.case import Case, KernelSpec, Schedule
from daxfuzz.program.processes import address_spaces
from daxfuzz.search import Replay, SparseReplay
from daxfuzz.sim import Execution
from daxfuzz.triage.attribute import explained_by, isolated, silences
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.minimize import Minimum, Progress, exactly_simplest, minimize, simplest
from daxfuzz.triage.order import constraints_of
from daxfuzz.triage.replay import steps_of
from daxfuzz.triage.reproduce import QUICK, THOROUGH, Failure, hints_of, patience, search


@dataclass(frozen=True, slots=True)
class Finding:
    """A minimized, attributed failure.

    signature: kind, function, wait channel and explanation; equal for the same flaw seen in the same way.
    explained_by: repairs that silence it, and bugs without which it does not happen; empty if it is new.
    """

    kind: str
    signature: str
    explained_by: tuple[str, ...]
    message: str
    case: Case
    tasks: int
    operations: int
    preemptions: int
    choices: int
    steps: int

    def file_name(self) -> str:
        """A name for the case, from the signature."""
        return re.sub(r"[^a-z0-9]+", "-", self.signature.lower()).strip("-") + ".dax"


class NotReproduced(RuntimeError):
    """A failure of the stepper that did not show as Trio tasks: a fault of daxfuzz, not of the kernel."""


def triage(failure: Failure, target: KernelChoice, progress: Progress | None = None) -> Finding:
    """Minimize and attribute a failure. Raises NotReproduced.

    target: the kernel that the case is to be for, if it fails there, too; `failure` may be one with more repairs.

    A failure may have several flaws in it; the one that explains it alone on the target is taken. If there is none,
    a failure that needs its kernel's repairs to be told from others is described on that kernel.
    """
    mixed = []
    for start in isolated(failure, hints_of(failure)):
        minimum = minimize(start, progress)
        for kernel in dict.fromkeys((target, failure.kernel)):
            finding = describe(on_kernel(minimum, kernel))
            if len(finding.explained_by) == 1:
                return finding
            mixed.append(finding)
    return min(mixed, key=size, default=None) or describe(on_kernel(minimize(failure, progress), target))


def size(finding: Finding) -> tuple[int, ...]:
    """What makes one description of a failure simpler than another."""
    return len(finding.explained_by), finding.tasks, finding.operations, finding.preemptions, finding.choices


def known(failure: Failure, findings: Iterable[tuple[str, tuple[str, ...]]]) -> bool:
    """Whether one of the (kind, explained_by) pairs of earlier findings accounts for a failure already.

    Who repairs a wide flaw may repair a narrow one with it: what the narrow repair silences is not the wide flaw's.
    """
    hints = hints_of(failure)
    left = failure.kernel.repairs()
    for kind, repairs in findings:
        if kind == failure.violation.kind and repairs:
            kernel = failure.kernel.plus(repairs)
            if kernel != failure.kernel and silences(failure, repairs, hints, QUICK):
                narrow = [each.slug() for name in repairs if name in left for each in left[name].supersedes]
                open_narrow = [name for name in narrow if name in left and name not in repairs]
                if not any(silences(failure, (name,), hints, QUICK) for name in open_narrow):
                    return True
    return False


def on_kernel(minimum: Minimum, kernel: KernelChoice) -> Minimum:
    """The minimum on the kernel that was asked for, if it fails there in the same way; else where it was found."""
    failure = minimum.failure
    if failure.kernel == kernel:
        return minimum
    hints = [SparseReplay(minimum.schedule)]
    again = search(failure.program, kernel, failure.violation.kind, THOROUGH, hints, patience(failure))
    return minimum if again is None else simplest(again)


def describe(minimum: Minimum) -> Finding:
    """Attribute a minimum and write it as a case, after it has reproduced as Trio tasks."""
    minimum = exactly_simplest(minimum)
    failure = minimum.failure
    confirm(failure)
    repairs = explained_by(failure, hints_of(failure))
    violation = failure.violation
    parts = [violation.kind, violation.function, violation.channel, "+".join(repairs) or "new"]
    program = replace(failure.program, setup=replace(failure.program.setup, mms=address_spaces(failure.program)))
    spec = failure.kernel.spec
    case = Case(
        program=program,
        kernel=KernelSpec(spec.protocol, spec.patches, spec.bugs, spec.filesystem),
        finding=violation.kind,
        repaired_by=tuple(name for name in repairs if name not in spec.bugs),
        schedule=Schedule(steps_of(program, failure.execution.turns), constraints_of(failure)),
    )
    return Finding(
        kind=violation.kind,
        signature="/".join(part for part in parts if part),
        explained_by=repairs,
        message=violation.message,
        case=case,
        tasks=len(program.tasks),
        operations=sum(len(calls) for calls in program.tasks.values()),
        preemptions=minimum.preemptions,
        choices=minimum.choices,
        steps=len(failure.execution.turns),
    )


def confirm(failure: Failure) -> Execution:
    """The failing execution as Trio tasks. Raises NotReproduced if its trace differs."""
    execution = Bench(failure.program, failure.kernel).run_on_trio(Replay(failure.execution.turns))
    found = verdict(execution)
    if execution.digest() != failure.execution.digest() or found is None or found.kind != failure.violation.kind:
        raise NotReproduced(f"{failure.violation.kind}: the Trio host took another course")
    return execution
