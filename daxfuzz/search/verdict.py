"""What an exhaustive search has to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daxfuzz.sim import Violation


@dataclass(slots=True)
class Found:
    """The first violation of its signature, and the turns up to it."""

    violation: Violation
    turns: tuple[int, ...]

    @property
    def signature(self) -> tuple[str, str, str]:
        """Kind, function, channel."""
        return self.violation.kind, self.violation.function, self.violation.channel


@dataclass(slots=True)
class Verdict:
    """What a search has seen so far, or in the end.

    exhausted: whether every interleaving was covered.
    bound: what has cut the search, empty if nothing has: "executions", "time" or "memory" where it ended early,
        "finding" where it stopped at the first; or "preemptions" or "steps", within which it covered everything; or
        "length", if some executions were too long to follow.
    passes: how often the search has begun; all but the last one ended when an observer had not remembered enough.
    executions: how often the program was run, in part or to its end, in all passes. All else is of the last pass.
    complete: of these, how many ended at rest.
    states: different ones; without a visited set, how many were gone through.
    transitions: steps from a state, taken or foreseen, without those that were only taken to get there again.
    cycles: transitions to a state that is on the way to them.
    spins: turns to the first cycles of each sort, and once around: which tasks run in them, and where these are then.
    final: digests of the states at rest, of shared objects and of which tasks are stuck.
    findings: one for each signature.
    coverage: share of the tree of choices that is done (see Exhaustive).
    depth: steps of the longest execution.
    """

    exhausted: bool = False
    bound: str = ""
    passes: int = 0
    executions: int = 0
    complete: int = 0
    states: int = 0
    transitions: int = 0
    cycles: int = 0
    seconds: float = 0.0
    depth: int = 0
    coverage: float = 0.0
    spins: list[tuple[int, ...]] = field(default_factory=list)
    final: set[int] = field(default_factory=set)
    findings: list[Found] = field(default_factory=list)

    @property
    def estimate(self) -> float:
        """How many executions it will be in all, 0 if nothing is known yet."""
        return self.executions / self.coverage if self.coverage else 0.0
