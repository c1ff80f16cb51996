"""Each patch of series-v1 against the kernel before it.

Distinguishing runs explore one program on both kernels within a bound and compare what they observe. A patch that only
renames or moves code has to leave the same trace in random executions with the same turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from daxfuzz.bench.observe import OBSERVATIONS, Observation
from daxfuzz.bench.patch_runs import PatchPlan, PatchRun
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM, execute
from daxfuzz.kernel import kernel
from daxfuzz.kernel.machine import Machine
from daxfuzz.oracles.registry import attach
from daxfuzz.program.calls import CallError, check_calls, parse_call
from daxfuzz.program.case import Case, KernelSpec, Program, Setup
from daxfuzz.program.dax_file import dumps_case
from daxfuzz.program.generator import generate
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.compose import ComposeError
from daxfuzz.protocols.registry import SERIES, protocol
from daxfuzz.search import Memory, Portfolio, Replay, bounded_runs
from daxfuzz.sim import Execution
from daxfuzz.triage.bench import TURN_LIMIT, Bench, KernelChoice, verdict

SERIES_NAME = "series-v1"

CHUNK = 2_000
"""Executions of one job; a multiple of SCHEDULES_PER_PROGRAM."""

_SEEDS = 1 << 64

OnProgress = Callable[[str], None]


class NotAvailable(Exception):
    """Something that a run needs does not exist; says what."""


@dataclass(frozen=True, slots=True)
class Space:
    """What one kernel showed over its schedules.

    observed: each different observation once, sorted.
    schedules: how many there were; complete: whether these are all within the bound on preemptions.
    """

    observed: tuple[str, ...]
    schedules: int
    complete: bool


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run on both kernels.

    before, after: names of the kernels.
    program: the text of the case, as a .dax file for the kernel before; without calls' rules checked.
    result_before, result_after, differs: None if the run is not available; `reason` says why.
    """

    run: PatchRun
    before: str
    after: str
    program: str
    result_before: Space | None = None
    result_after: Space | None = None
    reason: str = ""

    @property
    def differs(self) -> bool | None:
        if self.result_before is None or self.result_after is None:
            return None
        return self.result_before.observed != self.result_after.observed

    @property
    def as_expected(self) -> bool | None:
        """Whether the kernels differ where they should; None if it did not run or nothing is expected."""
        if self.differs is None or self.run.differs is None:
            return None
        return self.differs == self.run.differs


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Random executions on both kernels with the same turns.

    first: index of the first whose traces differ, None if none does.
    """

    executions: int
    filesystems: tuple[str, ...]
    first: int | None

    @property
    def holds(self) -> bool:
        return self.first is None


@dataclass(frozen=True, slots=True)
class PatchResult:
    """All that was asked of a patch. equivalence: None if it is no pure rename, or not there; `reason` says which."""

    plan: PatchPlan
    runs: tuple[RunResult, ...]
    equivalence: Equivalence | None = None
    reason: str = ""


def compare_patches(
    pool: Executor, plans: Iterable[PatchPlan], executions: int, seed: int, on_progress: OnProgress
) -> Iterator[PatchResult]:
    """The result of each patch, as soon as there is one. executions: of each check for equal traces."""
    for plan in plans:
        runs = []
        for run in plan.runs:
            on_progress(f"{run.name}: {run.what}")
            runs.append(run_on_both(pool, plan, run))
        equivalence, reason = None, ""
        if not plan.pure:
            reason = "changes more than names"
        elif plan.number > patches_there():
            reason = no_patch(plan.number)
        else:
            on_progress(f"{plan.number:02}: {executions:,} executions before and after")
            equivalence = equal_traces(pool, plan.number, executions, seed)
        yield PatchResult(plan, tuple(runs), equivalence, reason)


def patches_there() -> int:
    """How many patches of the series exist."""
    return len(SERIES[SERIES_NAME])


def no_patch(number: int) -> str:
    """What to say of a patch that does not exist."""
    return f"no patch {number:02} of {SERIES_NAME} yet"


# -- runs --------------------------------------------------------------------------------------------------------


def run_on_both(pool: Executor, plan: PatchPlan, run: PatchRun) -> RunResult:
    """One run on the kernels before and after its patch, or why that cannot be."""
    first, second = run.kernels or (plan.number - 1, plan.number)
    before, after = kernel_name(first), kernel_name(second)
    try:
        program = program_of(run)
    except NotAvailable as missing:
        return RunResult(run, before, after, calls_text(run), reason=str(missing))
    text = dumps_case(Case(program, KernelSpec(before, filesystem=run.filesystem)))
    try:
        old, new = kernels_of(run, first, second)
    except NotAvailable as missing:
        return RunResult(run, before, after, text, reason=str(missing))
    spaces = [pool.submit(explore, run, program, choice) for choice in (old, new)]
    return RunResult(run, before, after, text, spaces[0].result(), spaces[1].result())


def kernel_name(patches: int) -> str:
    """The kernel with so many patches of the series."""
    return f"{SERIES_NAME}:{patches}"


def calls_text(run: PatchRun) -> str:
    """The calls of a program that is not valid yet."""
    return "".join(f"{task} = {list(calls)}\n".replace("'", '"') for task, calls in run.tasks.items())


def program_of(run: PatchRun) -> Program:
    """The program of a run. Raises NotAvailable if it names what does not exist."""
    program = Program(
        {task: tuple(parse_call(text) for text in calls) for task, calls in run.tasks.items()},
        Setup(**known_fields(Setup, run.setup)),
        Machine(**known_fields(Machine, run.machine)),
    )
    try:
        check_calls(program)
    except CallError as error:
        raise NotAvailable(error.message.partition(";")[0]) from None
    return program


def known_fields(cls: type[Setup] | type[Machine], values: Mapping[str, object]) -> dict[str, Any]:
    """Values for fields of a dataclass. Raises NotAvailable for one that it does not have."""
    there = [each.name for each in fields(cls)]
    for name in values:
        if name not in there:
            raise NotAvailable(f"no {name} in the {cls.__name__.lower()} yet")
    return dict(values)


def kernels_of(run: PatchRun, first: int, second: int) -> tuple[KernelChoice, KernelChoice]:
    """The two kernels. Raises NotAvailable if a patch, a repair or the file system does not exist."""
    for number in (first, second):
        if number > patches_there():
            raise NotAvailable(no_patch(number))
    if run.filesystem not in kernel.FILESYSTEMS:
        raise NotAvailable(f"no file system {run.filesystem} yet")
    return kernel_of(run, first, (*run.repaired, *run.repaired_before)), kernel_of(run, second, run.repaired)


def kernel_of(run: PatchRun, number: int, repaired: tuple[str, ...]) -> KernelChoice:
    """A kernel with the repairs and mutations that the run wants on it."""
    name = kernel_name(number)
    patches = [repair for flaw in repaired for repair in repairs_of(name, flaw)]
    spec = KernelSpec(name, (*run.applied, *patches, *run.mutations), filesystem=run.filesystem)
    here = Path(__file__).parent
    choice = KernelChoice(spec, tuple(str(here / mutation.partition(":")[0]) for mutation in run.mutations))
    try:
        choice.composed()
    except ComposeError as error:
        raise NotAvailable(f"{name}: {error}") from None
    return choice


def repairs_of(name: str, flaw: str) -> list[str]:
    """The repairs of a flaw that a kernel has. Raises NotAvailable if there is none."""
    found = [repair.slug() for repair in protocol(name).repairs if repair.flaw == flaw]
    if not found:
        raise NotAvailable(f"{name} has no repair of {flaw} yet")
    return found


def explore(run: PatchRun, program: Program, choice: KernelChoice) -> Space:
    """Everything that is observed within the bound of a run."""
    observation = OBSERVATIONS[run.observe]
    sim = simulation(program, choice, observation)
    observed = set()
    number = 0
    for each in islice(bounded_runs(sim.world, run.schedules + 1, run.preemptions, TURN_LIMIT), run.schedules):
        observed.add(observation.look(sim, each.execution))
        number += 1
    return Space(tuple(sorted(observed)), number, number < run.schedules)


def simulation(program: Program, choice: KernelChoice, observation: Observation) -> Simulation:
    """A program on a kernel with the oracles of an observation."""
    sim = Simulation(program, choice.composed().subsystems, choice.spec.filesystem)
    attach(sim, observation.oracles)
    return sim


# -- equal traces ------------------------------------------------------------------------------------------------


def equal_traces(pool: Executor, number: int, executions: int, seed: int) -> Equivalence:
    """Whether random executions leave the same traces before and after a patch, on every file system there is."""
    filesystems = tuple(kernel.FILESYSTEMS)
    jobs = []
    for i, start in enumerate(range(0, executions, CHUNK)):
        filesystem = filesystems[i % len(filesystems)]
        jobs.append(pool.submit(first_difference, number, filesystem, seed, start, min(CHUNK, executions - start)))
    done = 0
    for job in jobs:
        ran, first = job.result()
        done += ran
        if first is not None:
            for other in jobs:
                other.cancel()
            return Equivalence(done, filesystems, first)
    return Equivalence(done, filesystems, None)


def first_difference(number: int, filesystem: str, seed: int, start: int, count: int) -> tuple[int, int | None]:
    """Executions run from `start` on, and the index of the first whose traces differ."""
    portfolio = Portfolio()
    old, new = (KernelChoice(KernelSpec(kernel_name(n), filesystem=filesystem)) for n in (number - 1, number))
    for at in range(start, start + count, SCHEDULES_PER_PROGRAM):
        program = generate(Random(seed * _SEEDS + at), filesystem)
        before, after = Bench(program, old), Bench(program, new)
        bound = 200
        memory = Memory()
        for index in range(at, min(at + SCHEDULES_PER_PROGRAM, start + count)):
            _, scheduler = portfolio.make(seed, index, bound, memory)
            execution = execute(before, scheduler, index)
            bound = max(len(execution.turns), 1)
            again = execute(after, Replay(execution.turns), index)
            if trace(execution, new) != trace(again, new):
                return index - start + 1, index
    return count, None


def trace(execution: Execution, renamed: KernelChoice) -> tuple[str, str, str]:
    """What identifies an execution: turns, accesses and values, and where it failed, by the newest name."""
    found = verdict(execution)
    if found is None:
        return execution.digest(), "", ""
    renames = renamed.composed().renames
    return execution.digest(), found.kind, renames.get(found.function, found.function)
