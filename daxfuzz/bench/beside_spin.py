"""How fast exhaustive search is, beside SPIN on the same program."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from daxfuzz.bench.pin_truncate import PinTruncate, Wake
from daxfuzz.bench.spin import spin
from daxfuzz.search import Exhaustive

PROGRAM = PinTruncate(pinners=3, gets=1, pins=1, truncators=1, bias=3, wake=Wake.THRESHOLD)
"""Large enough that a second goes by."""


@dataclass(frozen=True, slots=True)
class Searched:
    """One complete search. seconds: of processor time, the median of some runs."""

    states: int
    transitions: int
    findings: frozenset[str]
    seconds: float

    @property
    def states_per_second(self) -> float:
        return self.states / self.seconds

    def agrees(self, other: Searched) -> bool:
        """Whether two searches saw the same: as many states and transitions, and the same findings."""
        mine = self.states, self.transitions, self.findings
        return mine == (other.states, other.transitions, other.findings)


@dataclass(frozen=True, slots=True)
class Beside:
    """Both searches, from one run."""

    daxfuzz: Searched
    spin: Searched

    @property
    def ratio(self) -> float:
        """How many times as many states SPIN sees in a second."""
        return self.spin.states_per_second / self.daxfuzz.states_per_second


def compare(program: PinTruncate = PROGRAM, rounds: int = 3) -> Beside:
    """Search a program with both, in turns. Raises SpinMissing if SPIN or what it needs is not installed."""
    theirs, ours = [], []
    for _ in range(rounds):
        theirs.append(by_spin(program))
        ours.append(by_daxfuzz(program))
    return Beside(median(ours), median(theirs))


def by_daxfuzz(program: PinTruncate) -> Searched:
    """Our exhaustive search with a visited set, and no reduction."""
    world = program.world()
    before = time.process_time()
    verdict = Exhaustive(world).search()
    seconds = time.process_time() - before
    findings = frozenset(found.violation.kind for found in verdict.findings)
    return Searched(verdict.states, verdict.transitions, findings, seconds)


def by_spin(program: PinTruncate, optimize: str = "-O2") -> Searched:
    """SPIN without its partial order reduction, its search compiled with that option. Raises as compare does."""
    run = spin(program, optimize)
    return Searched(run.states, run.transitions, run.findings, run.seconds)


def median(runs: list[Searched]) -> Searched:
    """One run that has the median of their times. All of them have seen the same."""
    first = runs[0]
    return Searched(first.states, first.transitions, first.findings, statistics.median(run.seconds for run in runs))
