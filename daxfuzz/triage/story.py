"""A case and what its replay shows: what every format renders."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from daxfuzz.program.case import Case
from daxfuzz.protocols.registry import protocol
from daxfuzz.sim import Constraint
from daxfuzz.triage.proof import Proof
from daxfuzz.triage.replay import NONE, Replayed
from daxfuzz.triage.trace import Trace, shown_function, trace_of
from daxfuzz.triage.words import listed, plural


@dataclass(frozen=True, slots=True)
class Ordered:
    """A constraint of a case, and the turns in which its two steps were taken; None for one that was not."""

    constraint: Constraint
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Story:
    """path: of the case, as the user named it. proof: of the cause, if the user wants one."""

    path: str
    case: Case
    replayed: Replayed
    proof: Proof | None = None

    @cached_property
    def trace(self) -> Trace:
        """The execution that counts."""
        return trace_of(self.replayed.bench, self.replayed.execution)

    @cached_property
    def constraints(self) -> tuple[Ordered, ...]:
        """What is proved of the order of steps, else what the case says of it."""
        order = self.case.schedule.order if self.proof is None else self.proof.constraints
        turns = {step.label: step.turn for step in self.trace.steps}
        return tuple(Ordered(each, turns.get(each.before), turns.get(each.after)) for each in order)

    @property
    def kernel(self) -> str:
        """The kernel under test, in words."""
        spec = self.replayed.bench.kernel.spec
        return f"{spec} on {spec.filesystem}"

    @property
    def protocol_in_words(self) -> str:
        """What of the kernel's history it is."""
        spec = self.replayed.bench.kernel.spec
        repaired = spec.protocol.endswith("-fixed")
        parts = [protocol(spec.protocol.removesuffix("-fixed")).summary]
        parts += ["the flaws that are known of it repaired"] * repaired
        parts += [f"with {listed(spec.patches)}"] * bool(spec.patches)
        parts += [f"but {listed(spec.bugs)}"] * bool(spec.bugs)
        return ", ".join(parts)

    @property
    def renames(self) -> dict[str, str]:
        """Functions that have another name in the kernel under test than in the model."""
        return self.replayed.bench.kernel.composed().renames

    @property
    def function(self) -> str:
        """The function in which the finding shows, by its name in the kernel; empty if it shows in none."""
        found = self.replayed.found
        return shown_function(found.function, self.renames) if found is not None and found.function else ""

    @property
    def reproduced(self) -> bool:
        """Whether it shows what the case declares."""
        if self.case.finding == NONE:
            return self.replayed.found is None and not self.replayed.impossible
        return self.replayed.found is not None and self.replayed.kind == self.case.finding

    @property
    def signature(self) -> str:
        """As `fuzz` writes it, with the explanation that the case declares; empty if nothing is found."""
        found = self.replayed.found
        if found is None:
            return ""
        explanation = "+".join(self.case.kernel.bugs + self.case.repaired_by) or "new"
        return "/".join(part for part in (found.kind, found.function, found.channel, explanation) if part)

    @property
    def verdict(self) -> str:
        """What it shows, in a sentence."""
        outcome = self._outcome()
        if self.replayed.impossible:
            return f"Cannot be replayed: {self.replayed.impossible}. What ran instead: {outcome}"
        return outcome

    def _outcome(self) -> str:
        case, found = self.case, self.replayed.found
        if found is None and case.finding == NONE:
            return "Clean, as the case declares."
        if found is None:
            return f"Clean: {case.finding}, which the case declares, does not happen."
        where = f", in {self.function}" if self.function else ""
        outcome = f"{found.kind}: {found.message}{where}."
        if found.kind != case.finding:
            declared = "must stay clean" if case.finding == NONE else f"declares {case.finding}"
            return f"Not as declared (the case {declared}): {outcome}"
        if case.repaired_by:
            return f"{outcome} Repaired by {' + '.join(case.repaired_by)}."
        if case.kernel.bugs:
            return f"{outcome} Not so without {' + '.join(case.kernel.bugs)}."
        return f"{outcome} The case names no repair that explains it."

    @property
    def how(self) -> str:
        """How it was replayed."""
        replayed = self.replayed
        steps = f"The steps do not fit {replayed.diverged}. " if replayed.diverged else ""
        tried = plural(replayed.tried, "linearisation" if replayed.via == "order" else "execution")
        extra = f", {tried}" if replayed.via != "steps" else ""
        turns = plural(len(replayed.execution.turns), "turn")
        return f"{steps}Replayed on Trio by {replayed.via}{extra}: {turns}, digest {replayed.execution.digest()}."
