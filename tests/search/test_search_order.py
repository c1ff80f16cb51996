from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_programs import abba, all_turns, build, is_buggy, lost_update, lost_wakeup, random_turns, specs

from daxfuzz.search import OrderReplay, labels_of
from daxfuzz.sim import Cell, Constraint, Label, Stepper, TrioHost, World


def label(text: str) -> Label:
    task, rest = text.split(":")
    place, _, occurrence = rest.partition("#")
    function, verb = place.split(".")
    return Label(task, function, verb, int(occurrence or 1))


def before(text: str) -> Constraint:
    first, second = text.split(" < ")
    return Constraint(label(first), label(second))


LOST = [before("a:increment.read < b:increment.write"), before("b:increment.read < a:increment.write")]
KEPT = [before("a:increment.write < b:increment.read")]
HANG = [before("a:run.lock < b:run.lock#2"), before("b:run.lock < a:run.lock#2")]
SLEEPS = [
    before("waker:waker.active < sleeper:sleeper.prepare_to_wait"),
    before("sleeper:condition.read < waker:waker.set"),
]


def host_seeds() -> list[random.Random | None]:
    return [None, *(random.Random(seed) for seed in range(40))]


@pytest.mark.parametrize(("factory", "constraints"), [(lost_update, LOST), (abba, HANG)])
def test_constraints_reproduce_the_bug_always(factory, constraints) -> None:
    linearisations = set()
    for rng in host_seeds():
        replay = OrderReplay(constraints, rng)
        execution = Stepper(factory()).run(replay)
        assert is_buggy(execution)
        assert (replay.impossible, replay.pending) == ("", [])
        linearisations.add(tuple(execution.turns))
    # All schedules that keep the constraints, as enumeration finds them, and no other.
    assert linearisations == {turns for turns, _ in all_turns(factory()) if keeps(factory(), turns, constraints)}


def keeps(world: World, turns: tuple[int, ...], constraints: list[Constraint]) -> bool:
    labels = labels_of(world, turns)
    return all(item.after not in labels or (item.before in labels[: labels.index(item.after)]) for item in constraints)


@pytest.mark.parametrize("constraints", [KEPT, [before("b:increment.write < a:increment.read")]])
def test_the_reverse_never_does(constraints) -> None:
    for rng in host_seeds():
        replay = OrderReplay(constraints, rng)
        assert not is_buggy(Stepper(lost_update()).run(replay))
        assert replay.impossible == ""


def test_the_lost_wakeup_from_its_order() -> None:
    for rng in host_seeds():
        replay = OrderReplay(SLEEPS, rng)
        execution = Stepper(lost_wakeup()).run(replay)
        assert execution.stuck == (0,)
        assert replay.impossible == ""


def test_trio_replays_the_same_order() -> None:
    for constraints in (LOST, KEPT):
        executions = [host(lost_update()).run(OrderReplay(constraints)) for host in (Stepper, TrioHost)]
        assert executions[0].digest() == executions[1].digest()
    assert OrderReplay(LOST).impossible == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (["a:increment.write#2 < b:increment.read"], "a has ended without a:increment.write#2"),
        (["nobody:increment.read < b:increment.read"], "there is no task nobody"),
        (["a:increment.write < a:increment.read", "a:increment.write < b:increment.read"], "all tasks .* held back"),
        (["a:increment.read < b:increment.read", "b:increment.read < a:increment.read"], "all tasks .* held back"),
        (["b:decrement.read < a:increment.write"], "b has ended without b:decrement.read"),
    ],
)
def test_what_cannot_be_is_reported(text: list[str], reason: str) -> None:
    for rng in (None, random.Random(1)):
        replay = OrderReplay([before(item) for item in text], rng)
        execution = Stepper(lost_update()).run(replay)
        assert len(execution.turns) == 4
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(replay.impossible)
        # A second execution begins anew.
        replay.new_execution(lost_update())
        assert replay.impossible == ""


def test_a_constraint_on_what_never_comes_up_is_kept() -> None:
    replay = OrderReplay([before("a:increment.write#2 < b:increment.write#2")])
    assert Stepper(lost_update()).run(replay).turns == [0, 0, 1, 1]
    assert replay.impossible == ""
    assert len(replay.pending) == 1


def test_runs_the_current_task_on_where_it_may() -> None:
    replay = OrderReplay([before("c:increment.read < a:increment.write")])
    assert Stepper(lost_update(3)).run(replay).turns == [0, 1, 1, 2, 2, 0]


def test_of_tasks_with_one_name_the_first_is_meant() -> None:
    world = World()
    cell = Cell(world, "cell", 0)

    async def writer() -> None:
        await cell.write(1)

    for name in ("a", "b", "b"):
        world.spawn(name, writer)
    replay = OrderReplay([before("b:writer.write < a:writer.write")])
    assert Stepper(world.seal()).run(replay).turns == [1, 0, 2]
    replay = OrderReplay([before("a:writer.write < b:writer.write")], random.Random(0))
    seen = {tuple(Stepper(world).run(replay).turns) for _ in range(60)}
    assert seen == {(0, 1, 2), (0, 2, 1), (2, 0, 1)}


def test_labels_of_turns() -> None:
    turns = [0, 1, 1, 0]
    assert [str(item) for item in labels_of(lost_update(), turns)] == [
        "a:increment.read",
        "b:increment.read",
        "b:increment.write",
        "a:increment.write",
    ]
    assert [str(item) for item in labels_of(abba(), [0] * 4)] == [
        "a:run.lock",
        "a:run.lock#2",
        "a:run.unlock",
        "a:run.unlock#2",
    ]
    assert str(labels_of(lost_wakeup(), [0, 0])[1]) == "sleeper:condition.read"


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(specs(), st.integers(0, 2**32))
def test_the_full_order_of_a_schedule_replays_it(spec, seed: int) -> None:
    world = build(spec)
    recorded = random_turns(world, seed)
    labels = labels_of(world, recorded.turns)
    assert len(set(labels)) == len(labels) == len(recorded.turns)
    constraints = [Constraint(a, b) for a, b in pairwise(labels)]
    replay = OrderReplay(constraints)
    execution = Stepper(world).run(replay)
    if not is_buggy(recorded):
        assert execution.digest() == recorded.digest()
        assert replay.impossible == ""
    # Of a program that hangs or breaks off, the steps which the recording lacks are free.
    if replay.impossible == "":
        assert keeps(world, tuple(execution.turns), constraints)
