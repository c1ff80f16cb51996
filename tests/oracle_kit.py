"""Programs as text on kernels with test-only patches, and searches for what their oracles say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random

from daxfuzz.kernel.machine import Machine, TlbMode
from daxfuzz.oracles.oracle import Oracle
from daxfuzz.oracles.registry import attach
from daxfuzz.program.calls import check_calls, parse_call
from daxfuzz.program.case import Program, Setup
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.compose import compose
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.registry import protocol as protocol_named
from daxfuzz.search import MEMORYLESS, OrderReplay, RoundRobin, bounded_runs, make_scheduler
from daxfuzz.sim import Constraint, Execution, Label, Stepper, Violation
from daxfuzz.triage.bench import verdict

LIMIT = 2_000


def program(
    tasks: Mapping[str, Sequence[str]],
    *,
    files: Mapping[str, int] | None = None,
    mms: Mapping[str, tuple[str, ...]] | None = None,
    prefault: bool = True,
    bias: int = 4,
    tlb: TlbMode = TlbMode.IPI,
    merge_vmas: bool = True,
    wait_buckets: int = 2,
    clones: Mapping[str, str] | None = None,
    window_ranges: int = 2,
    pmd_pages: int = 2,
    low_memory: bool = False,
    spare_blocks: int = 1,
) -> Program:
    """A valid program, from calls as they are written in a case."""
    machine = Machine(
        bias=bias,
        tlb=tlb,
        merge_vmas=merge_vmas,
        wait_buckets=wait_buckets,
        window_ranges=window_ranges,
        pmd_pages=pmd_pages,
        low_memory=low_memory,
        spare_blocks=spare_blocks,
    )
    calls = {name: tuple(parse_call(call) for call in body) for name, body in tasks.items()}
    made = Program(calls, Setup(files or {"file0": 1}, mms or {}, prefault, clones=clones or {}), machine)
    check_calls(made)
    return made


def simulate(
    of: Program,
    *patches: type[Patch],
    protocol: str = "pin-wait-fixed",
    oracles: Iterable[type[Oracle]] | None = None,
    filesystem: str = "ext4",
) -> Simulation:
    """A program on a protocol with patches on top, watched by `oracles`, else by those that are on by default."""
    kernel = compose((*protocol_named(protocol).patches, *patches))
    sim = Simulation(of, kernel.subsystems, filesystem)
    attach(sim, oracles)
    return sim


def executions(sim: Simulation, simple: int = 300, random: int = 50, preemptions: int = 1) -> Iterator[Execution]:
    """Schedules with few preemptions, simplest first; then `random` executions of each strategy."""
    for run in bounded_runs(sim.world, simple, preemptions, LIMIT):
        yield run.execution
    host = Stepper(sim.world)
    bound = 200
    for seed in range(random):
        for name in MEMORYLESS:
            execution = host.run(make_scheduler(name, Random(seed), bound), LIMIT, RoundRobin())
            bound = max(len(execution.turns), 1)
            yield execution


def found(sim: Simulation, kind: str, **effort: int) -> Violation | None:
    """The first verdict of a kind, with the message and channel that go with it."""
    verdicts = map(verdict, executions(sim, **effort))
    return next((each for each in verdicts if each is not None and each.kind == kind), None)


def trip(sim: Simulation, kind: str, **effort: int) -> Violation:
    """The same, where there has to be one."""
    violation = found(sim, kind, **effort)
    assert violation is not None, f"no {kind}"
    return violation


def assert_silent(sim: Simulation, **effort: int) -> None:
    """No execution says anything, ended or deferred; and there are enough of them to mean something."""
    count = 0
    for execution in executions(sim, **effort):
        count += 1
        said = [str(each) for each in (execution.violation, *execution.deferred) if each is not None]
        assert not said, (said, execution.turns)
    assert count >= 100


def label(text: str) -> Label:
    """task:function.verb, or with #n the n-th time."""
    place, _, occurrence = text.partition("#")
    task, _, where = place.partition(":")
    function, _, verb = where.partition(".")
    return Label(task, function, verb, int(occurrence or 1))


def ordered(sim: Simulation, *constraints: str) -> Execution:
    """The execution in which points come in the order that is asked for, as "a:f.read < b:g.write#2"."""
    pairs = [constraint.split(" < ") for constraint in constraints]
    scheduler = OrderReplay([Constraint(label(before), label(after)) for before, after in pairs])
    execution = Stepper(sim.world).run(scheduler, LIMIT)
    assert not scheduler.impossible, scheduler.impossible
    assert execution.violation is not None or not scheduler.pending, scheduler.pending
    return execution
