"""Each execution starts where the first one did, whatever the last one did to the kernel's objects."""

from __future__ import annotations

from copy import copy
from random import Random

import pytest
from kernel_kit import Steered, simulate

from daxfuzz.kernel.kernel import FILESYSTEMS
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.generator import generate
from daxfuzz.search import RandomWalk
from daxfuzz.sim import Stepper, World
from daxfuzz.triage.bench import Bench, KernelChoice

PARKED = ("draining", "entries", "idle", "outer", "waiters", "waiting")
"""Attributes that hold who waits, which is no part of an object's state: tasks are parked in front of it."""


def parked_at(world: World) -> list[list[object]]:
    return [[copy(getattr(obj, name, None)) for name in PARKED] for obj in world.objects]


@pytest.mark.parametrize("filesystem", FILESYSTEMS)
@pytest.mark.parametrize("protocol", ["refcount-1", "refcount-0"])
def test_a_reset_undoes_all_that_an_execution_has_done(filesystem: str, protocol: str) -> None:
    walk = RandomWalk(Random(5))
    touched = 0
    for seed in range(12):
        bench = Bench(generate(Random(seed), filesystem), KernelChoice(KernelSpec(protocol, filesystem=filesystem)))
        world = bench.sim.world
        sealed = world.shared_state()
        parked = parked_at(world)
        for limit in (20, 40, 80, 10_000):
            bench.run(walk, limit)
            touched += world.shared_state() != sealed
            world.reset()
            assert world.shared_state() == sealed
            assert parked_at(world) == parked
            world.close()
    assert touched > 30


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_a_reset_undoes_what_was_cut_off_at_any_step(filesystem: str) -> None:
    """Also where who waits stands for one step only, as a commit for the handles of its transaction."""
    calls = ["store(file0, 0)", "truncate(file0, 0)", "fsync(file0)", "freeze()", "thaw()"]
    world = simulate({"a": calls}, filesystem=filesystem).world
    parked = parked_at(world)
    stepper = Stepper(world)
    length = len(stepper.run(Steered()).turns)
    changed: set[str] = set()
    for limit in range(length):
        stepper.run(Steered(), limit)
        for obj, before, now in zip(world.objects, parked, parked_at(world), strict=True):
            if now != before:
                changed.add(obj.name)
        world.reset()
        assert parked_at(world) == parked
        world.close()
    assert "journal.t_updates" in changed
