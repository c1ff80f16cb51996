"""A finding of the model, tried on a real kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from daxfuzz.conform import model
from daxfuzz.conform.calls import NotExpressible
from daxfuzz.conform.outcome import Outcome, differences
from daxfuzz.conform.profiles import Profile
from daxfuzz.conform.real import check
from daxfuzz.conform.sequence import Group, Sequence
from daxfuzz.conform.translation import beginnings, translated
from daxfuzz.program.calls import CallError, check_calls
from daxfuzz.program.case import Case
from daxfuzz.protocols.compose import ComposedKernel, ComposeError, compose
from daxfuzz.protocols.registry import protocol
from daxfuzz.triage.bench import KernelChoice

INTERLEAVINGS = 200
"""Of calls that race, on the model, to know what can be seen of them."""


class Verdict(StrEnum):
    """What came of it."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_EXPRESSIBLE = "not expressible"


@dataclass(frozen=True, slots=True)
class Plan:
    """How to try a case: its calls, which of them race, and what stands for what."""

    sequence: Sequence
    groups: tuple[Group, ...]
    notes: list[str]

    @property
    def races(self) -> bool:
        """Whether calls begin together."""
        return any(len(group) > 1 for group in self.groups)


@dataclass(slots=True)
class Bridged:
    """What came of a case. attempts: on the kernel. outcome: of the last one. reason: why it is not expressible."""

    verdict: Verdict
    reason: str = ""
    plan: Plan | None = None
    attempts: int = 0
    outcome: Outcome = ()
    notes: list[str] = field(default_factory=list)


Runner = Callable[[Sequence, str, tuple[Group, ...], Random | None], Outcome]
"""Runs a sequence on the kernel, with groups of calls that begin together."""


def bridge(case: Case, kernel: KernelChoice, profile: Profile, run: Runner, attempts: int) -> Bridged:
    """Try a case on a real kernel.

    It is reproduced when the kernel does what only the unrepaired model does, in everything that can be seen.

    kernel: the case's own, on which it is replayed to know the order of its calls.
    """
    filesystem = case.kernel.filesystem
    try:
        plan = make_plan(case, kernel)
        wanted = telling(plan, case, profile, filesystem)
    except NotExpressible as error:
        return Bridged(Verdict.NOT_EXPRESSIBLE, str(error))
    rng = Random(0) if plan.races else None
    for attempt in range(1, 1 + (attempts if plan.races else 1)):
        outcome = run(plan.sequence, filesystem, plan.groups, rng)
        found = Bridged(Verdict.NOT_REPRODUCED, "", plan, attempt, outcome)
        if any(not differences(each, outcome) for each in wanted):
            found.verdict = Verdict.REPRODUCED
            return found
    return found


def make_plan(case: Case, kernel: KernelChoice) -> Plan:
    """The calls of a case on a real kernel, in their order. Raises NotExpressible."""
    if case.kernel.filesystem not in ("ext4", "xfs"):
        raise NotExpressible(f"{case.kernel.filesystem} is no file system of the emulated machine")
    program, places, notes = translated(case.program)
    found = [[places[place] for place in group if place in places] for group in beginnings(case, kernel)]
    groups = tuple(tuple(task for task, _ in group) for group in found if group)
    sequence = Sequence("case", program, tuple(task for group in groups for task in group))
    try:
        check_calls(program)
    except CallError as error:
        raise NotExpressible(error.message) from None
    check(sequence)
    return Plan(sequence, groups, notes)


def telling(plan: Plan, case: Case, profile: Profile, filesystem: str) -> list[Outcome]:
    """What the model can do with the profile, and cannot once it is repaired. Raises NotExpressible if that is nothing.

    The comparison stands on as many random interleavings as are tried of calls that race.
    """
    ours = outcomes(plan, profile.composed(), filesystem)
    theirs = outcomes(plan, repaired(case, profile), filesystem)
    found = [each for each in ours if all(differences(each, other) for other in theirs)]
    if not found:
        raise NotExpressible(f"nothing that can be seen tells {profile.name} from the same kernel without its flaws")
    return found


def outcomes(plan: Plan, kernel: ComposedKernel, filesystem: str) -> list[Outcome]:
    """All that was seen on the model, without repetition."""
    tries = INTERLEAVINGS if plan.races else 1
    found: list[Outcome] = []
    for seed in range(tries):
        rng = Random(seed) if plan.races else None
        outcome = model.run(plan.sequence, kernel.subsystems, filesystem, plan.groups, rng)
        if outcome not in found:
            found.append(outcome)
    return found


def repaired(case: Case, profile: Profile) -> ComposedKernel:
    """The profile with the repairs that the case names, or with all that its protocol has. Raises NotExpressible."""
    known = {repair.slug(): repair for repair in protocol(profile.protocol).repairs}
    chosen = [known[name] for name in case.repaired_by if name in known] or list(known.values())
    try:
        return compose((*protocol(profile.protocol).patches, *profile.patches, *chosen))
    except ComposeError as error:
        raise NotExpressible(f"the repairs do not fit {profile.name}: {error}") from None
