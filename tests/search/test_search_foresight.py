"""What a step will do, foreseen, is what it does."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

import pytest
from sim_kit import RandomProgram
from tiny_programs import TinyProgram

from daxfuzz.bench.pin_truncate import PinTruncate, Wake
from daxfuzz.oracles.registry import attach
from daxfuzz.program.generator import generate
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.registry import PROTOCOLS, build
from daxfuzz.search import Bounds, Exhaustive, Reduction
from daxfuzz.search.state_key import StateKey
from daxfuzz.sim import Cell, World


def kernel_program(seed: int) -> World:
    """A generated program on some protocol, with all oracles."""
    protocols = list(PROTOCOLS)
    sim = Simulation(
        generate(Random(f"foresight {seed}"), "ext4"), build(protocols[seed % len(protocols)], ()).subsystems, "ext4"
    )
    attach(sim)
    return sim.world


class Enough(Exception):
    """As many steps were compared as a test wants."""


class Checked(Exhaustive):
    """Takes steps that it has foreseen after all, and compares the states: one in `every`, and `most` of them."""

    def __init__(self, world: World, every: int, most: int, **options: Any) -> None:
        super().__init__(world, **options)
        self.every, self.most = every, most
        self.foreseen = self.compared = 0

    def _leads_back(self, effect: Any) -> bool:
        return False

    def _foreseen(self, effect: Any) -> Any:
        undo = super()._foreseen(effect)
        self.foreseen += 1
        if self.foreseen % self.every == 0:
            self.compare()
        return undo

    def compare(self) -> None:
        self._catch_up()
        world = self.world
        mine, theirs = self._key, self.key_by_course()
        assert mine.objects == theirs.objects
        assert (mine.decided, mine.remembers, mine.places) == (theirs.decided, theirs.remembers, theirs.places)
        assert mine.key == theirs.key
        assert mine.enabled == tuple(world.enabled)
        assert [mine.point(task.index) for task in world.tasks] == [task.point for task in world.tasks]
        self.compared += 1
        if self.compared == self.most:
            raise Enough

    def key_by_course(self) -> StateKey:
        """The key, made anew step by step from the start."""
        world = self.world
        turns = list(world.turns)
        self._run_again()
        key = self._key
        mine = StateKey(world)
        mine.encoder = key.encoder
        mine._known, mine._scheduling, mine._decisions = key._known, key._scheduling, key._decisions
        mine._points, mine._parked_at = key._points, key._parked_at
        mine._memory = key._memory
        mine.begin()
        for turn in turns:
            task = world.tasks[turn]
            point = task.point
            assert point is not None
            operation = task.operation
            world.current = task
            world.turns.append(turn)
            world.log.append(point)
            noted = len(world.log)
            if world.recording:
                world.looked.clear()
                world.observed = False
                world.looking = point.wide
            try:
                task.point = task.send(None)
            except StopIteration:
                world.finish(task)
            finally:
                world.looking = False
            mine.step(task, point, operation, world.log[noted:])
        self._deferred = len(world.deferred)
        return mine


def check(world: World, every: int, most: int, **options: Any) -> int:
    """How many foreseen steps were right."""
    search = Checked(world, every, most, **options)
    with suppress(Enough):
        search.search()
    return search.compared


@pytest.mark.parametrize("reduction", Reduction)
def test_steps_of_small_programs(reduction: Reduction) -> None:
    compared = 0
    for seed in range(40):
        compared += check(TinyProgram(seed, observed=seed % 2 == 1).world, 2, 50, reduction=reduction)
        compared += check(RandomProgram(seed).world, 2, 30, bounds=Bounds(executions=500), reduction=reduction)
    assert compared > 500


@pytest.mark.parametrize("recheck", [True, False])
@pytest.mark.parametrize("wake", Wake)
def test_steps_of_pins_against_truncate(wake: Wake, recheck: bool) -> None:
    assert check(PinTruncate(2, 1, 1, 1, 3, wake, recheck).world(), 3, 300) == 300


def test_steps_of_generated_programs_on_kernels() -> None:
    compared = sum(check(kernel_program(seed), 4, 12, bounds=Bounds(executions=80)) for seed in range(20))
    assert compared > 80


def test_most_steps_are_foreseen() -> None:
    program = PinTruncate(2, 1, 1, 1, 3, Wake.THRESHOLD)
    blind = Exhaustive(program.world(), foresight=False).search()
    seeing = Exhaustive(program.world()).search()
    assert (seeing.states, seeing.transitions, seeing.final) == (blind.states, blind.transitions, blind.final)
    assert seeing.executions < blind.executions // 10


def test_what_the_world_does_not_know_to_be_observed_is_not_foreseen() -> None:
    seen: list[tuple[int, int]] = []
    world = World()
    cell = Cell(world, "cell", 0)
    cell.watch = lambda old, new: seen.append((old, new))

    async def write() -> None:
        for value in (1, 2):
            await cell.write(value)

    for name in ("a", "b"):
        world.spawn(name, write)
    verdict = Exhaustive(world.seal()).search()
    assert len(seen) >= verdict.transitions > 10
