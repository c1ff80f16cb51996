"""What tests of patches and repairs share: kinds of findings, and comparisons of kernels."""

from __future__ import annotations

import random

from daxfuzz.oracles.registry import attach
from daxfuzz.program.generator import generate
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.compose import ComposedKernel
from daxfuzz.search import MEMORYLESS, bounded_runs, make_scheduler
from daxfuzz.sim import Execution, Stepper


def kinds(execution: Execution) -> list[str]:
    """Kinds of what an execution shows, ended or deferred."""
    return [each.kind for each in (execution.violation, *execution.deferred) if each is not None]


def found_kinds(sim: Simulation, preemptions: int = 1, executions: int = 20_000) -> set[str]:
    """Kinds of findings over all schedules with so few preemptions; fails if the bound cut the search."""
    found: set[str] = set()
    count = 0
    for one in bounded_runs(sim.world, executions, preemptions, 3_000):
        count += 1
        found.update(kinds(one.execution))
    assert count < executions
    return found


def assert_same_traces(before: ComposedKernel, after: ComposedKernel, programs: int, seeds: int) -> None:
    """Two kernels take the same steps in so many generated programs, on so many schedules each."""
    strategies = MEMORYLESS
    for program_seed in range(programs):
        program = generate(random.Random(program_seed), "ext4")
        sims = [Simulation(program, kernel.subsystems, "ext4") for kernel in (before, after)]
        for sim in sims:
            attach(sim)
        hosts = [Stepper(sim.world) for sim in sims]
        for seed in range(seeds):
            strategy = strategies[seed % len(strategies)]
            digests = {host.run(make_scheduler(strategy, random.Random(seed), 300), 2_000).digest() for host in hosts}
            assert len(digests) == 1
