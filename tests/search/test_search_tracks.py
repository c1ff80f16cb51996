"""Executions that are foretold from those that there have been, against executions that are made."""

from __future__ import annotations

import random

import pytest
from search_programs import abba, lost_update, lost_wakeup

from daxfuzz.search import STRATEGIES, Tracks, bounded_runs, make_scheduler
from daxfuzz.sim import Atomic, Scheduler, Stepper, World

LIMIT = 100
FORETOLD = [name for name, strategy in STRATEGIES.items() if strategy.repeats]


def waiting() -> World:
    """Four tasks of which one spins until another has written."""
    world = World()
    flag = Atomic(world, "flag", 0)

    async def spin() -> None:
        while not await flag.read():
            pass

    async def work() -> None:
        for _ in range(12):
            await flag.add(0)
        await flag.add(1)

    for name, actor in (("spin", spin), ("work", work), ("other", work), ("last", spin)):
        world.spawn(name, actor)
    return world.seal()


@pytest.mark.parametrize("make", [abba, lost_update, lost_wakeup, lambda: lost_update(4), waiting])
@pytest.mark.parametrize("simple", [0, 20])
def test_what_is_foretold_happens_and_has_happened(make, simple) -> None:
    world = make()
    tracks, host, again = Tracks(world), Stepper(world), Stepper(make())
    made = {tuple(run.execution.turns) for run in bounded_runs(world, simple, 1, LIMIT, tracks)}
    foretold = 0
    for seed in range(120):
        for name in FORETOLD:
            turns = again.run(make_scheduler(name, random.Random(seed), 20), LIMIT).turns
            length = tracks.length(make_scheduler(name, random.Random(seed), 20))
            if length is not None:
                foretold += 1
                assert length == len(turns)
                assert tuple(turns) in made
                continue
            # No execution that has come to its end is taken for a new one.
            assert tuple(turns) not in made or len(turns) >= LIMIT
            execution = host.run(tracks.noted(make_scheduler(name, random.Random(seed), 20)), LIMIT)
            assert execution.turns == turns
            tracks.keep(execution, LIMIT)
            made.add(tuple(turns))
    assert foretold


def test_an_execution_that_was_cut_is_not_foretold() -> None:
    world = waiting()
    tracks = Tracks(world)
    spinning = Spinning()
    execution = Stepper(world).run(tracks.noted(spinning), LIMIT)
    assert execution.exhausted
    tracks.keep(execution, LIMIT)
    assert tracks.length(spinning) is None


def test_a_scheduler_that_looks_at_every_turn_cannot_be_noted() -> None:
    with pytest.raises(ValueError, match="Scheduler looks at every turn"):
        Tracks(abba()).noted(Scheduler())


class Spinning(Scheduler):
    """The first task that can run."""

    def next_run(self, enabled, current):
        return enabled[0], 7
