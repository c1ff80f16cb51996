"""Exhaustive search of programs on the kernel: what it leaves out against a search that leaves out nothing."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from daxfuzz.program.case import Program
from daxfuzz.program.dax_file import loads_case
from daxfuzz.program.simulation import Simulation
from daxfuzz.search import Bounds, RandomWalk, Reduction, make_search
from daxfuzz.sim import Stepper
from daxfuzz.triage.bench import Bench, KernelChoice
from daxfuzz.triage.verify import forgetful

PROGRAMS = {
    "pin against load": ('pinner = ["r0 = get_user_pages_fast(file0, 0)", "put_page(r0)"]', 'b = ["load(file0, 0)"]'),
    "get against truncate": (
        'a = ["r0 = get_user_pages_fast(file0, 0)", "put_page(r0)"]',
        'b = ["truncate(file0, 0)"]',
    ),
    "store against fsync": ('a = ["store(file0, 0)"]', 'b = ["fsync(file0)"]'),
}


def case(name: str, protocol: str) -> tuple[Program, KernelChoice]:
    tasks = "\n".join(PROGRAMS[name])
    text = f'daxfuzz = 1\nprotocol = "{protocol}"\nfinding = "none"\n[machine]\nbias = 4\n[tasks]\n{tasks}\n'
    loaded = loads_case(text, "case")
    return loaded.program, KernelChoice(loaded.kernel)


def outcomes(sim: Simulation, reduction: Reduction) -> tuple[set[str], set[Any], int]:
    """What is left at rest, and what is found."""
    final: set[str] = set()

    def at_rest() -> None:
        stuck = [task.name for task in sim.world.tasks if task.point is not None]
        final.add(repr((sim.world.shared_state(), sim.registers, stuck)))

    sim.world.on_end.insert(0, at_rest)
    verdict = make_search(sim.world, Bounds(executions=20_000), reduction).search()
    assert verdict.exhausted
    return final, {found.signature for found in verdict.findings}, verdict.states


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("pin against load", "refcount-0-fixed"),
        ("get against truncate", "pin-wait"),
        ("store against fsync", "pin-wait"),
    ],
)
def test_every_mode_shows_the_same(name: str, protocol: str) -> None:
    program, kernel = case(name, protocol)
    plain = outcomes(Bench(program, kernel).sim, Reduction.NONE)
    for reduction in (Reduction.SLEEP, Reduction.PERSISTENT):
        other = outcomes(forgetful(program, kernel), reduction)
        assert other[:2] == plain[:2], reduction
        assert other[2] <= plain[2]


def test_random_executions_end_in_a_state_that_the_search_has_seen() -> None:
    program, kernel = case("get against truncate", "refcount-1-fixed")
    final, _, _ = outcomes(forgetful(program, kernel), Reduction.PERSISTENT)
    sim = Bench(program, kernel).sim
    for seed in range(100):
        execution = Stepper(sim.world).run(RandomWalk(Random(seed)))
        assert repr((sim.world.shared_state(), sim.registers, [])) in final
        assert not execution.stuck
