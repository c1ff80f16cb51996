from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_programs import abba, build, lost_update, random_turns, specs

from daxfuzz.search import (
    PCT,
    DivergedError,
    RandomWalk,
    Recorder,
    Replay,
    SparseReplay,
    default_task,
    first_divergence,
    labels_of,
    sparsify,
)
from daxfuzz.sim import Scheduler, SparseSchedule, Stepper, TrioHost

seeds = st.integers(0, 2**32)


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(specs(), seeds)
def test_replay_is_the_same_execution_on_both_hosts(spec, seed: int) -> None:
    recorded = random_turns(build(spec), seed)
    world = build(spec)
    for host in (Stepper(world), TrioHost(world)):
        for scheduler in (replay := Replay(recorded.turns), Recorder(replay)):
            execution = host.run(scheduler)
            assert execution.turns == recorded.turns
            assert execution.digest() == recorded.digest()
            assert replay.diverged_at is None


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(specs(), seeds, st.integers(1, 4))
def test_schedulers_do_the_same_on_both_hosts(spec, seed: int, depth: int) -> None:
    for make in (RandomWalk, lambda rng: PCT(rng, depth, 12)):
        on_stepper = Stepper(build(spec)).run(make(random.Random(seed)))
        on_trio = TrioHost(build(spec)).run(make(random.Random(seed)))
        assert on_stepper.digest() == on_trio.digest()


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(specs(), seeds)
def test_sparse_schedules_lose_nothing(spec, seed: int) -> None:
    world = build(spec)
    recorded = random_turns(world, seed)
    switches = sparsify(world, recorded.turns)
    again = Stepper(world).run(SparseReplay(switches.schedule))
    assert again.digest() == recorded.digest()
    assert sparsify(world, again.turns) == switches
    assert switches.preemptions + switches.choices == len(switches.schedule.switches)
    # None can be spared: without it, its turn goes to the default task.
    for turn, task in switches.schedule.switches:
        rest = SparseSchedule(tuple(switch for switch in switches.schedule.switches if switch[0] != turn))
        assert Stepper(world).run(SparseReplay(rest)).turns[: turn + 1] != [*recorded.turns[:turn], task]


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(specs(), st.lists(st.tuples(st.integers(0, 30), st.integers(-1, 5))))
def test_any_sparse_schedule_is_a_schedule(spec, switches) -> None:
    world = build(spec)
    schedule = SparseSchedule(tuple(sorted(dict(switches).items())))
    execution = Stepper(world).run(SparseReplay(schedule))
    assert TrioHost(world).run(SparseReplay(schedule)).digest() == execution.digest()
    kept = sparsify(world, execution.turns).schedule.switches
    assert set(kept) <= set(schedule.switches)


@pytest.mark.parametrize(
    ("turns", "switches", "preemptions", "choices"),
    [
        ([0, 0, 1, 1], (), 0, 0),
        ([1, 1, 0, 0], ((0, 1),), 0, 1),
        ([0, 1, 1, 0], ((1, 1),), 1, 0),
        ([0, 1, 0, 1], ((1, 1), (2, 0)), 2, 0),
        ([1, 0, 0, 1], ((0, 1), (1, 0)), 1, 1),
    ],
)
def test_switches_are_counted_by_kind(turns, switches, preemptions: int, choices: int) -> None:
    found = sparsify(lost_update(), turns)
    assert found.schedule.switches == switches
    assert (found.preemptions, found.choices) == (preemptions, choices)


def test_going_on_elsewhere_after_blocking_or_ending_is_a_choice() -> None:
    # Task 0 ends, then 2 before 1.
    assert sparsify(lost_update(3), [0, 0, 2, 2, 1, 1]).choices == 1
    # Task 0 is blocked by 1's lock: going on with 1 is the default, there is nobody else.
    found = sparsify(abba(), [0, 1])
    assert (found.schedule.switches, found.preemptions) == (((1, 1),), 1)


def test_default_rule() -> None:
    assert default_task([1, 3], 3) == 3
    assert default_task([1, 3], 2) == 1
    assert default_task([1, 3], -1) == 1


@pytest.mark.parametrize("host", [Stepper, TrioHost])
@pytest.mark.parametrize(
    ("turns", "diverged_at", "taken"),
    [
        ([0, 0, 0, 1], 2, [0, 0, 1, 1]),
        ([0, 1, 7], 2, [0, 1, 1, 0]),
        ([0, 1, -1], 2, [0, 1, 1, 0]),
        ([-1], 0, [0, 0, 1, 1]),
        ([1], None, [1, 1, 0, 0]),
        ([], None, [0, 0, 1, 1]),
        ([0, 1, 0, 1, 1, 1], 4, [0, 1, 0, 1]),
        ([0, 1, 0, 1], None, [0, 1, 0, 1]),
    ],
)
def test_where_a_replay_diverges(host, turns: list[int], diverged_at: int | None, taken: list[int]) -> None:
    replay = Replay(turns)
    for scheduler in (replay, Recorder(replay)):
        execution = host(lost_update()).run(scheduler)
        assert execution.turns == taken
        assert replay.diverged_at == diverged_at == first_divergence(turns, execution.turns)


def test_a_replay_cut_by_the_limit_says_so() -> None:
    replay = Replay([0, 1, 0, 1])
    Stepper(lost_update()).run(replay, limit=3)
    assert replay.diverged_at == 3


@pytest.mark.parametrize("analyse", [sparsify, labels_of])
@pytest.mark.parametrize(("turns", "turn"), [([0, 0, 0], 2), ([0, 1, 1, 0, 0], 4), ([5], 0)])
def test_turns_that_do_not_fit_are_refused(analyse, turns: list[int], turn: int) -> None:
    with pytest.raises(DivergedError) as caught:
        analyse(lost_update(), turns)
    assert caught.value.turn == turn


@pytest.mark.parametrize("switches", [((2, 0), (1, 1)), ((1, 0), (1, 1)), ((-1, 0),)])
def test_sparse_turns_ascend(switches) -> None:
    with pytest.raises(ValueError, match="ascend"):
        SparseReplay(SparseSchedule(switches))


def test_a_replay_can_be_run_again() -> None:
    for scheduler in (Replay([0, 1, 1]), SparseReplay(SparseSchedule(((1, 1),)))):
        host = Stepper(lost_update())
        assert host.run(scheduler).turns == host.run(scheduler).turns == [0, 1, 1, 0]


def test_a_replay_that_has_diverged_stays_so() -> None:
    for scheduler in (Replay([2, 2, 2, 1, 1]), Recorder(Replay([2, 2, 2, 1, 1]))):
        assert Stepper(lost_update(3)).run(scheduler).turns == [2, 2, 0, 0, 1, 1]


@pytest.mark.parametrize(("turns", "diverged_at"), [([3, 2, 3, 2], None), ([3, 3, 3], 2), ([0], 0)])
def test_as_a_suffix_a_replay_counts_its_own_turns(turns: list[int], diverged_at: int | None) -> None:
    replay = Replay(turns)
    execution = Stepper(lost_update(4)).run(Scheduler(), limit=4, suffix=replay)
    assert execution.turns[:4] == [0, 0, 1, 1]
    assert replay.diverged_at == diverged_at
