"""The default workload, run on a mutant, and on the kernel itself to see which programs can tell the two apart.

An execution that comes by nothing that the change matters for does on the mutant, step by step, what it does on the
kernel. So only the others are run on it; the rest is known to show nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from types import FrameType

from daxfuzz.bench.audit.mutants import MutantChoice, ProbedChoice, Site
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.generator import generate
from daxfuzz.search import MEMORYLESS, MIX, Portfolio
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
    """What a program comes by on the kernel itself.

    sites: with the executions that come by, as the bits of a number.
    bounds: what the scheduler of each execution is told of how many turns it takes at most.
    silent: whether it shows no finding there.
    """

    program: ProgramRun
    sites: dict[Site, int]
    bounds: tuple[int, ...]
    silent: bool

    def part(self, sites: Sequence[Site]) -> Part | None:
        """The executions that come by one of these sites, if there are any."""
        found = 0
        for site in sites:
            found |= self.sites.get(site, 0)
        if not found or not self.silent:
            return None
        return Part(self.program, tuple((i, bound) for i, bound in enumerate(self.bounds) if found >> i & 1))


@dataclass(frozen=True, slots=True)
class Part:
    """Executions of a program: the number of each, and the bound of it as in :class:`Reach`."""

    program: ProgramRun
    executions: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Death:
    """How a mutant died.

    program: with which; executions: how many of this program the workload has up to this one.
    kind, function: of the finding. A crash is an exception of the model, as of a NULL pointer; endless is a loop that
        never lets go of the processor.
    """

    program: ProgramRun
    executions: int
    kind: str
    function: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of some executions on a mutant. ran: how many were run."""

    ran: int
    death: Death | None


def look(protocol: str, functions: frozenset[str], seed: int, programs: tuple[ProgramRun, ...]) -> list[Reach]:
    """Run programs on the kernel itself, in a worker."""
    return [look_at(protocol, functions, seed, program) for program in programs]


def look_at(protocol: str, functions: frozenset[str], seed: int, program: ProgramRun) -> Reach:
    """Run one program on the kernel itself, each execution with the turns of the one before as its bound."""
    kernel = ProbedChoice(KernelSpec(protocol, filesystem=program.filesystem), functions=functions)
    reached = kernel.reached()
    reached.clear()
    runner = Runner(kernel, seed, program)
    every = (1 << SCHEDULES_PER_PROGRAM) - 1
    # What comes by before the first execution counts for all of them.
    sites = dict.fromkeys(reached, every)
    bounds = [FIRST_BOUND]
    silent = True
    for number in range(SCHEDULES_PER_PROGRAM):
        reached.clear()
        execution = runner.run(number, bounds[-1])
        for site in reached:
            sites[site] = sites.get(site, 0) | 1 << number
        bounds.append(max(len(execution.turns), 1))
        silent = silent and verdict(execution) is None
    return Reach(program, sites, tuple(bounds[:-1]), silent)


def judge(protocol: str, mutant: str, seed: int, parts: tuple[Part, ...]) -> Verdict:
    """Run executions on a mutant until it dies, in a worker."""
    ran = 0
    for part in parts:
        spec = KernelSpec(protocol, filesystem=part.program.filesystem)
        done, death = death_in(MutantChoice(spec, mutant=mutant), seed, part)
        ran += done
        if death is not None:
            return Verdict(ran, death)
    return Verdict(ran, None)


def death_in(kernel: KernelChoice, seed: int, part: Part) -> tuple[int, Death | None]:
    """How many of some executions were run, and how the kernel failed in the last one."""
    program = part.program
    done = 0
    number = 0
    try:
        runner = Runner(kernel, seed, program)
        for number, bound in part.executions:
            done += 1
            found = verdict(runner.run(number, bound))
            if found is not None:
                return done, Death(program, number + 1, found.kind, found.function)
    except Endless:
        return done, Death(program, number + 1, "endless", "")
    except Exception as error:
        return done, Death(program, number + 1, "crash", f"{type(error).__name__}: {error}"[:200])
    return done, None


FIRST_BOUND = 200
"""Turns that the scheduler of the first execution of a program is told."""


class Runner:
    """Runs executions of one program, as `daxfuzz fuzz` has them before it has learned anything, without strategies
    that learn from one for the next: some of the executions are run alone."""

    def __init__(self, kernel: KernelChoice, seed: int, program: ProgramRun) -> None:
        self.seed = seed
        self.first = program.number * SCHEDULES_PER_PROGRAM
        self.portfolio = Portfolio({name: weight for name, weight in MIX.items() if name in MEMORYLESS})
        self.bench = Bench(generate(Random(seed * _SEEDS + program.number), program.filesystem), kernel)

    def run(self, number: int, bound: int) -> Execution:
        """One of them. bound: turns that it takes at most, as its scheduler is told."""
        _, scheduler = self.portfolio.make(self.seed, self.first + number, bound)
        with patience():
            return self.bench.run(scheduler)


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
