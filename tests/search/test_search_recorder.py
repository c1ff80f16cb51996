from __future__ import annotations

import random

import pytest
from search_programs import abba, lost_update

from daxfuzz.search import CheckDeterminism, NondeterminismError, RandomWalk, Recorder, Replay, Turn, check_determinism
from daxfuzz.sim import Atomic, Cell, Scheduler, Stepper, TrioHost, World


def test_records_questions_and_answers() -> None:
    recorder = Recorder(Replay([1, 0]))
    Stepper(lost_update()).run(recorder)
    assert recorder.turns == [
        Turn((0, 1), -1, 1),
        Turn((0, 1), 1, 0),
        Turn((0, 1), 0, 0),
        Turn((1,), 0, 1),
    ]


def test_records_blocked_tasks_as_not_enabled() -> None:
    recorder = Recorder(Scheduler())
    Stepper(abba()).run(recorder)
    recorder_again = Recorder(Replay([0, 1]))
    Stepper(abba()).run(recorder_again)
    assert recorder.turns[1].enabled == (0, 1)
    assert [turn.enabled for turn in recorder_again.turns] == [(0, 1), (0, 1)]


def test_a_decorator_changes_nothing() -> None:
    bare = Stepper(lost_update(3)).run(RandomWalk(random.Random(4)))
    recorder = Recorder(RandomWalk(random.Random(4)))
    assert Stepper(lost_update(3)).run(recorder).turns == bare.turns == [turn.chosen for turn in recorder.turns]


def leaky(difference: str) -> World:
    """A program with state that no execution resets."""
    world = World()
    cell, other = Cell(world, "cell", 0), Atomic(world, "other")
    runs: list[int] = []

    async def first() -> None:
        runs.append(0)
        second_time = len(runs) % 2 == 0
        if difference == "shorter" and second_time:
            return
        if difference == "longer" and second_time:
            await cell.read()
        if difference == "object" and second_time:
            await other.read()
        else:
            await cell.write(len(runs) if difference == "value" else 1)
        await cell.read()

    world.spawn("first", first)
    return world.seal()


@pytest.mark.parametrize("host", [Stepper, TrioHost])
@pytest.mark.parametrize(("difference", "turn"), [("shorter", 0), ("longer", 0), ("object", 0), ("value", 1)])
def test_nondeterminism_is_found(host, difference: str, turn: int) -> None:
    with pytest.raises(NondeterminismError) as caught:
        check_determinism(host(leaky(difference)), Scheduler())
    assert caught.value.turn == turn


def test_a_task_that_is_enabled_only_once() -> None:
    world = World()
    cell = Cell(world, "cell", 0)
    runs: list[int] = []

    async def steady() -> None:
        await cell.read()
        await cell.read()

    async def sometimes() -> None:
        runs.append(0)
        if len(runs) < 2:
            await cell.read()

    world.spawn("steady", steady)
    world.spawn("sometimes", sometimes)
    with pytest.raises(NondeterminismError, match=r"0 at cell.read, 1 at cell.read, then .*: 0 at cell.read$"):
        check_determinism(Stepper(world.seal()), Scheduler())


@pytest.mark.parametrize("host", [Stepper, TrioHost])
def test_a_sound_program_passes_and_each_schedule_runs_twice(host) -> None:
    check = CheckDeterminism(RandomWalk(random.Random(2)))
    runs = host(lost_update(3))
    turns = [runs.run(check).turns for _ in range(20)]
    check.finish()
    assert turns[::2] == turns[1::2]
    assert len({tuple(each) for each in turns}) > 5
    plain = RandomWalk(random.Random(2))
    assert turns[::2] == [runs.run(plain).turns for _ in range(10)]


def test_a_repetition_that_ended_early_is_reported_once() -> None:
    host, check = Stepper(leaky("shorter")), CheckDeterminism(Scheduler())
    host.run(check)
    host.run(check)
    with pytest.raises(NondeterminismError, match="the second execution ended"):
        host.run(check)
    check.finish()
