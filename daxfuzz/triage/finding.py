"""Findings: what the user gets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from daxfuzz.program.case import Case, KernelSpec, Schedule
from daxfuzz.program.processes import address_spaces
from daxfuzz.search import Replay, SparseReplay
from daxfuzz.sim import Execution
from daxfuzz.triage.attribute import explained_by, isolated, narrow_flaw, silences, wider
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.minimize import Minimum, Progress, exactly_simplest, minimize, simplest, without_switches
from daxfuzz.triage.order import constraints_of
from daxfuzz.triage.replay import steps_of
from daxfuzz.triage.reproduce import QUICK, THOROUGH, Failure, at_full_length, hints_of, patience, search, settled


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


def triage(
    failure: Failure, target: KernelChoice, progress: Progress | None = None, alone: Failure | None = None
) -> Finding:
    """Minimize and attribute a failure. Raises NotReproduced.

    failure: with all turns up to the limit, if the program does not end.
    target: the kernel that the case is to be for, if it fails there, too; `failure` may be one with more repairs.
    alone: the failure where a single flaw is left, if that is known already.

    A failure may have several flaws in it; the one that explains it alone on the target is taken. If there is none,
    a failure that needs repairs of other flaws to be told from them is described on a kernel that has these.
    """
    mixed = []
    for start in starts(failure, alone):
        minimum = minimize(start, progress)
        for kernel in dict.fromkeys((target, failure.kernel, start.kernel)):
            known = on_kernel(minimum, kernel)
            finding = describe(known)
            if finding is None:
                continue
            if len(finding.explained_by) == (1 if start.kernel.repairs() else 0):
                plain = with_fewer_patches(known, target, finding.explained_by)
                fewer = None if plain is known else describe(plain)
                return finding if fewer is None or fewer.explained_by != finding.explained_by else fewer
            mixed.append(finding)
    return (
        min(mixed, key=size, default=None)
        or describe(on_kernel(minimize(failure, progress), target))
        or finding_of(without_switches(failure), failure)
    )


def starts(failure: Failure, alone: Failure | None) -> Iterator[Failure]:
    """Where to begin: with each flaw that is enough for a failure, on a kernel that has no other."""
    if alone is not None:
        yield alone
    short = settled(failure)
    yield from (each for _, each in isolated(short, hints_of(short)))


def size(finding: Finding) -> tuple[int, ...]:
    """What makes one description of a failure simpler than another."""
    return len(finding.explained_by), finding.tasks, finding.operations, finding.preemptions, finding.choices


Known = tuple[str, tuple[str, ...]]
"""What is remembered of a finding: its kind, and the repairs that explain it."""


def cause(failure: Failure, findings: Sequence[Known]) -> tuple[str, Failure] | None:
    """The repair of the flaw that is behind a failure, and the failure where no other flaw is left; None if findings
    account for the failure already. With "" and the failure as it is if it takes several flaws, or one that is new.
    """
    failure = settled(failure)
    if known(failure, findings):
        return None
    named = [name for kind, repairs in findings if kind == failure.violation.kind for name in repairs]
    return next(isolated(failure, hints_of(failure), named), ("", failure))


def known(failure: Failure, findings: Iterable[Known]) -> bool:
    """Whether one of the findings accounts for a failure already.

    Who repairs a wide flaw may repair a narrow one with it: a failure that the narrow repair keeps from the place
    where it shows is not the wide flaw's, though it may have both.
    """
    open_repairs = failure.kernel.repairs()
    hints = hints_of(failure)
    named = [repairs for kind, repairs in findings if kind == failure.violation.kind]
    narrow = [name for name in open_repairs if wider(name, open_repairs)]
    for name in narrow:
        if (name,) in named and narrow_flaw(failure, name, hints) is not None:
            return True
    for repairs in named:
        left = [name for name in repairs if name in open_repairs]
        if left and silences(failure, tuple(left), hints, QUICK):
            closed = [each.slug() for name in left for each in open_repairs[name].supersedes]
            if not any(narrow_flaw(failure, name, hints) for name in narrow if name in closed and name not in left):
                return True
    return False


def on_kernel(minimum: Minimum, kernel: KernelChoice) -> Minimum:
    """The minimum on the kernel that was asked for, if it fails there in the same way; else where it was found."""
    failure = minimum.failure
    if failure.kernel == kernel:
        return minimum
    hints = [SparseReplay(minimum.schedule)]
    again = search(failure.program, kernel, failure.goal, THOROUGH, hints, patience(failure))
    return minimum if again is None else simplest(again)


def with_fewer_patches(minimum: Minimum, target: KernelChoice, repairs: tuple[str, ...]) -> Minimum:
    """The minimum without most patches that the target does not have, where the same repairs explain it then and it
    takes no more preemptions.
    """
    kernel = minimum.failure.kernel
    extra = [name for name in kernel.spec.patches if name not in target.spec.patches]
    size = len(extra) if repairs else 0
    while size:
        for part in [extra[start : start + size] for start in range(0, len(extra), size)]:
            fewer = [name for name in extra if name not in part]
            plain = on_kernel(minimum, with_patches(kernel, target, fewer))
            hints = hints_of(plain.failure)
            if (
                plain is not minimum
                and plain.preemptions <= minimum.preemptions
                and silences(plain.failure, repairs, hints)
                and not any(silences(plain.failure, (name,), hints) for name in part)
            ):
                minimum, extra = plain, fewer
        size = min(size // 2, len(extra))
    return minimum


def with_patches(kernel: KernelChoice, target: KernelChoice, extra: list[str]) -> KernelChoice:
    """The target with some of a kernel's patches, in that one's order."""
    kept = [name for name in kernel.spec.patches if name in extra or name in target.spec.patches]
    return replace(kernel, spec=replace(kernel.spec, patches=tuple(kept)))


def describe(minimum: Minimum) -> Finding | None:
    """Attribute a minimum and write it as a case, after it has reproduced as Trio tasks.

    None if it is a program that only took long to end.
    """
    minimum = exactly_simplest(minimum)
    whole = at_full_length(minimum.failure)
    return None if whole is None else finding_of(minimum, whole)


def finding_of(minimum: Minimum, whole: Failure) -> Finding:
    """The finding that a minimum is. whole: its failure with all turns up to the limit."""
    confirm(whole)
    failure = minimum.failure
    repairs = explained_by(failure, hints_of(failure))
    violation = whole.violation
    parts = [violation.kind, violation.function, violation.channel, "+".join(repairs) or "new"]
    program = replace(failure.program, setup=replace(failure.program.setup, mms=address_spaces(failure.program)))
    spec = failure.kernel.spec
    case = Case(
        program=program,
        kernel=KernelSpec(spec.protocol, spec.patches, spec.bugs, spec.filesystem),
        finding=violation.kind,
        repaired_by=tuple(name for name in repairs if name not in spec.bugs),
        schedule=Schedule(steps_of(program, whole.execution.turns), constraints_of(failure)),
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
        steps=len(whole.execution.turns),
    )


def confirm(failure: Failure) -> Execution:
    """The failing execution as Trio tasks. Raises NotReproduced if its trace differs."""
    execution = Bench(failure.program, failure.kernel).run_on_trio(Replay(failure.execution.turns))
    found = verdict(execution)
    if execution.digest() != failure.execution.digest() or found is None or found.kind != failure.violation.kind:
        raise NotReproduced(f"{failure.violation.kind}: the Trio host took another course")
    return execution
