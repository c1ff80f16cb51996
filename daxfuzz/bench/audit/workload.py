"""The default workload, run on a mutant, and on the kernel itself to see which programs can tell the two apart.

A program that comes by none of the changed statements does on the mutant, step by step, what it does on the kernel. So
only the others are run on it; the rest is known to show nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from types import FrameType

from daxfuzz.bench.audit.mutants import MutantChoice, ProbedChoice, Site
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.generator import generate
from daxfuzz.search import Portfolio
from daxfuzz.sim import Execution
from daxfuzz.triage.bench import Bench, KernelChoice, verdict

PATIENCE = 20.0
"""Seconds that an execution may take, which is some thousand times as long as usual."""

_SEEDS = 1 << 64


@dataclass(frozen=True, slots=True)
class ProgramRun:
    """One program of the workload: the number of it on a file system."""

    filesystem: str
    number: int


@dataclass(frozen=True, slots=True)
class Reach:
    """What a program comes by on the kernel itself. silent: whether it shows no finding there."""

    program: ProgramRun
    sites: frozenset[Site]
    silent: bool


@dataclass(frozen=True, slots=True)
class Death:
    """How a mutant died.

    program: with which; executions: how many of this program it took, this one included.
    kind, function: of the finding. A crash is an exception of the model, as of a NULL pointer; endless is a loop that
        never lets go of the processor.
    """

    program: ProgramRun
    executions: int
    kind: str
    function: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of some programs on a mutant. ran: how many were run."""

    ran: int
    death: Death | None


def look(protocol: str, functions: frozenset[str], seed: int, programs: tuple[ProgramRun, ...]) -> list[Reach]:
    """Run programs on the kernel itself, in a worker."""
    found: list[Reach] = []
    for program in programs:
        kernel = ProbedChoice(KernelSpec(protocol, filesystem=program.filesystem), functions=functions)
        reached = kernel.reached()
        reached.clear()
        findings = [verdict(execution) for execution in executions(kernel, seed, program)]
        found.append(Reach(program, frozenset(reached), not any(findings)))
    return found


def judge(protocol: str, mutant: str, seed: int, programs: tuple[ProgramRun, ...]) -> Verdict:
    """Run programs on a mutant until it dies, in a worker."""
    for ran, program in enumerate(programs, start=1):
        death = death_in(
            MutantChoice(KernelSpec(protocol, filesystem=program.filesystem), mutant=mutant), seed, program
        )
        if death is not None:
            return Verdict(ran, death)
    return Verdict(len(programs), None)


def death_in(kernel: KernelChoice, seed: int, program: ProgramRun) -> Death | None:
    """How a kernel fails in the executions of one program."""
    done = 0
    try:
        for execution in executions(kernel, seed, program):
            done += 1
            found = verdict(execution)
            if found is not None:
                return Death(program, done, found.kind, found.function)
    except Endless:
        return Death(program, done + 1, "endless", "")
    except Exception as error:
        return Death(program, done + 1, "crash", f"{type(error).__name__}: {error}"[:200])
    return None


def executions(kernel: KernelChoice, seed: int, program: ProgramRun) -> Iterator[Execution]:
    """All executions of one program, as `daxfuzz fuzz` has them before it has learned anything."""
    portfolio = Portfolio()
    bench = Bench(generate(Random(seed * _SEEDS + program.number), program.filesystem), kernel)
    bound = 200
    for repeat in range(SCHEDULES_PER_PROGRAM):
        _, scheduler = portfolio.make(seed, program.number * SCHEDULES_PER_PROGRAM + repeat, bound)
        with patience():
            execution = bench.run(scheduler)
        bound = max(len(execution.turns), 1)
        yield execution


class Endless(BaseException):
    """An execution takes for ever between two points. No Exception, so that nobody on the way takes it for one."""


@contextmanager
def patience() -> Iterator[None]:
    """Raise Endless in the block after a while."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise Endless

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
