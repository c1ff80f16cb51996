"""The exhaustive search sees what brute force sees, state by state in number, and every end."""

from __future__ import annotations

import pytest
from brute_force import Space, enumerate_states
from hypothesis import HealthCheck, given, settings
from search_programs import BUGGY, build, specs
from sim_kit import RandomProgram

from daxfuzz.bench.pin_truncate import PinTruncate, Wake
from daxfuzz.search import Exhaustive
from daxfuzz.sim import Cell, World

SMALL = 600
"""States of the largest random program that is compared: each costs a run."""


def agree(world: World, space: Space) -> None:
    verdict = Exhaustive(world).search()
    assert verdict.exhausted
    assert (verdict.states, verdict.transitions) == (space.states, space.transitions)
    assert len(verdict.final) == len(space.finals)
    assert {found.violation.kind for found in verdict.findings} == space.findings


@pytest.mark.parametrize(("tasks", "writes"), [(1, 3), (2, 4), (3, 2)])
def test_brute_force_counts_what_can_be_counted_by_hand(tasks: int, writes: int) -> None:
    """Tasks that have nothing to do with each other: a state is how far each of them is."""
    world = World()
    for index in range(tasks):
        cell = Cell(world, f"cell{index}", 0)

        async def write(cell: Cell[int] = cell) -> None:
            for value in range(writes):
                await cell.write(value % 2)

        world.spawn(f"t{index}", write)
    space = enumerate_states(world.seal())
    assert space.states == (writes + 1) ** tasks
    assert space.transitions == tasks * writes * (writes + 1) ** (tasks - 1)
    assert len(space.finals) == 1


def test_brute_force_merges_only_what_a_task_has_declared_dead() -> None:
    program = PinTruncate(pinners=1, gets=3, pins=0, truncators=1, bias=4, wake=Wake.THRESHOLD)
    merged = enumerate_states(program.world())
    apart = enumerate_states(program.world(), forget=False)
    assert merged.states < apart.states
    assert merged.finals == apart.finals
    assert merged.findings == apart.findings == set()


def test_random_programs_over_all_primitives() -> None:
    compared = findings = stuck = 0
    for seed in (*range(60), 145):
        world = RandomProgram(seed).world
        try:
            space = enumerate_states(world, forget=False, limit=SMALL)
        except OverflowError:
            continue
        agree(world, space)
        compared += 1
        findings += bool(space.findings)
        stuck += any(tasks for _, tasks in space.finals)
    assert compared >= 30
    assert findings >= 5
    assert stuck >= 5


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs())
def test_random_programs_of_other_making(spec) -> None:
    world = build(spec)
    try:
        space = enumerate_states(world, forget=False, limit=SMALL)
    except OverflowError:
        return
    agree(world, space)


@pytest.mark.parametrize("name", BUGGY)
def test_textbook_bugs(name: str) -> None:
    world = BUGGY[name]()
    agree(world, enumerate_states(world))


@pytest.mark.parametrize("wake", Wake)
@pytest.mark.parametrize("scale", [(1, 3, 0, 1, 4), (1, 1, 1, 1, 3), (1, 0, 1, 2, 2), (2, 1, 0, 1, 3)])
@pytest.mark.parametrize("recheck", [True, False])
def test_pins_against_truncate(wake: Wake, scale: tuple[int, int, int, int, int], recheck: bool) -> None:
    world = PinTruncate(*scale, wake, recheck).world()
    agree(world, enumerate_states(world))
