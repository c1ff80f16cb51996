from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from search_programs import build, lost_update, specs

from daxfuzz.search import Recorder, RoundRobin
from daxfuzz.sim import Cell, Scheduler, Stepper, TrioHost, World


def test_takes_turns() -> None:
    assert Stepper(lost_update(3)).run(RoundRobin()).turns == [0, 1, 2, 0, 1, 2]


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(specs())
def test_nobody_waits_for_more_than_one_turn_of_each_other(spec) -> None:
    recorder = Recorder(RoundRobin())
    Stepper(build(spec)).run(recorder)
    waiting: dict[int, list[int]] = {}
    for turn in recorder.turns:
        waiting = {task: [*waiting.get(task, []), turn.chosen] for task in turn.enabled if task != turn.chosen}
        assert all(len(set(passed)) == len(passed) for passed in waiting.values())


def polling() -> World:
    """Ends under a fair scheduler only."""
    world = World()
    flag = Cell(world, "flag", 0)

    async def poll() -> None:
        while not await flag.read():
            pass

    async def post() -> None:
        await flag.write(1)

    world.spawn("poll", poll)
    world.spawn("post", post)
    return world.seal()


def test_as_a_suffix_it_tells_livelock_from_preference() -> None:
    assert Stepper(polling()).run(Scheduler(), limit=50).exhausted
    for host in (Stepper, TrioHost):
        execution = host(polling()).run(Scheduler(), limit=50, suffix=RoundRobin())
        assert not execution.exhausted
        assert execution.turns == [0] * 50 + [1, 0]


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(specs(), st.integers(1, 6))
def test_a_suffix_does_the_same_on_both_hosts(spec, limit: int) -> None:
    executions = [host(build(spec)).run(Scheduler(), limit, RoundRobin()) for host in (Stepper, TrioHost)]
    assert executions[0].digest() == executions[1].digest()
