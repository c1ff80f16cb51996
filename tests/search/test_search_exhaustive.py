"""Exhaustive search against search that remembers nothing and leaves out nothing."""

from __future__ import annotations

from typing import Any

import pytest
from search_programs import BUGGY, all_turns
from tiny_programs import TinyProgram

from daxfuzz.search import Bounds, Exhaustive, Found, Reduction, Replay, Verdict, make_search
from daxfuzz.search.encoding import Encoder
from daxfuzz.search.state_key import StateKey
from daxfuzz.sim import Atomic, Cell, Stepper, Violation, World

KEEPING = (Reduction.NONE, Reduction.SLEEP, Reduction.PERSISTENT)
"""Those with which states can be kept."""

MODES = [
    *[(reduction, visited) for reduction in KEEPING for visited in (False, True)],
    (Reduction.DPOR, False),
]
TOO_LARGE = 300


def search(world: World, **options: Any) -> Verdict:
    return make_search(world, **options).search()


def signatures(findings: list[Found]) -> set[tuple[str, str, str]]:
    return {each.signature for each in findings}


def plain_search(world: World) -> Verdict | None:
    """Every interleaving, none left out for any reason; None if there are too many."""
    verdict = search(world, visited=False, bounds=Bounds(executions=TOO_LARGE))
    return verdict if verdict.exhausted else None


@pytest.mark.parametrize("observed", [False, True])
def test_every_mode_sees_the_same_final_states_and_findings(observed: bool) -> None:
    compared = merged = reduced = failing = 0
    for seed in range(100):
        plain = plain_search(TinyProgram(seed, observed).world)
        if plain is None:
            continue
        compared += 1
        failing += bool(plain.findings)
        for reduction, visited in MODES:
            verdict = search(TinyProgram(seed, observed).world, reduction=reduction, visited=visited)
            assert verdict.exhausted
            assert verdict.final == plain.final, (seed, reduction, visited)
            assert signatures(verdict.findings) == signatures(plain.findings), (seed, reduction, visited)
            merged += visited and verdict.executions < plain.executions
            reduced += reduction is not Reduction.NONE and verdict.transitions < plain.transitions
    # Programs of which there is something to leave out, and not only clean ones.
    assert compared > 50
    assert merged > compared
    assert reduced > compared
    assert failing > 3


def test_sleep_sets_leave_out_no_state() -> None:
    fewer = 0
    for seed in range(200):
        every = search(TinyProgram(seed).world, bounds=Bounds(executions=TOO_LARGE))
        slept = search(TinyProgram(seed).world, reduction=Reduction.SLEEP)
        if every.exhausted:
            assert every.states == slept.states, seed
            fewer += slept.transitions < every.transitions
    assert fewer > 50


def test_without_visited_states_there_is_one_execution_for_each_schedule() -> None:
    for name, factory in BUGGY.items():
        schedules = [turns for turns, _ in all_turns(factory())]
        verdict = search(factory(), visited=False)
        assert verdict.exhausted
        assert verdict.complete == verdict.executions == len(schedules), name


def test_the_key_is_that_of_a_key_made_afresh() -> None:
    compared = 0
    for seed in range(100):
        world = TinyProgram(seed, observed=seed % 2 == 1).world
        kept = _Checked(world, reduction=Reduction.SLEEP, bounds=Bounds(executions=50))
        kept.search()
        compared += kept.compared
    assert compared > 1_000


class _Checked(Exhaustive):
    """Compares what the key knows of objects, scheduling and memories with a key of the same state made afresh."""

    compared = 0

    def _arrive(self, node: Any, weight: float) -> bool:
        self._catch_up()
        fresh = StateKey(self.world)
        mine, theirs = self._key, fresh
        assert mine.shared() == theirs.shared()
        assert (mine.decided, mine.remembers) == (theirs.decided, theirs.remembers)
        self.compared += 1
        return super()._arrive(node, weight)


def test_values_that_compare_equal_are_told_apart() -> None:
    encoder = Encoder()
    values: list[Any] = [
        -1,
        -2,
        1,
        True,
        0,
        False,
        None,
        "",
        (),
        (1,),
        (True,),
        [1],
        "1",
        ("tuple", 1),
        b"1",
        {1},
        {1: 2},
    ]
    values += [("x", World), ("x", Cell), (("tuple", 1), World), ("shared", 0), -1.0]
    assert len({encoder.encode(value) for value in values}) == len(values)
    world = World()
    one, other = Cell(world, "same", 0), Cell(world, "same", 0)
    assert encoder.encode(one) != encoder.encode(other)
    assert encoder.encode((one, 1)) == encoder.encode((one, 1))
    assert encoder.encode({"a": one, "b": other}) == encoder.encode({"b": other, "a": one})


def held_value(first: Any, second: Any) -> World:
    """A task reads one of two values, which differ only for who looks closely, and decides by it later."""
    world = World()
    source: Cell[Any] = Cell(world, "source", first)
    pause = Cell(world, "pause", 0)
    result: Cell[Any] = Cell(world, "result", None)

    async def reader() -> None:
        value = await source.read()
        await pause.read()
        await source.read()
        await result.write(repr(value))

    async def writer() -> None:
        await source.write(second)

    world.spawn("reader", reader)
    world.spawn("writer", writer)
    return world.seal()


@pytest.mark.parametrize(("first", "second"), [(-1, -2), (1, True), (0, False)])
def test_a_value_that_only_a_coroutine_knows_makes_a_state(first: Any, second: Any) -> None:
    for reduction in Reduction:
        assert len(search(held_value(first, second), reduction=reduction).final) == 2


def spinner() -> World:
    """One task goes around until another one lets it go; the head of its loop forgets."""
    world = World()
    flag = Atomic(world, "flag", 0)

    async def spin() -> None:
        while True:
            world.current.live = ()
            if await flag.read():
                return

    async def release() -> None:
        await flag.set(1)

    world.spawn("spin", spin)
    world.spawn("release", release)
    return world.seal()


def test_a_loop_that_forgets_is_a_cycle_and_no_finding() -> None:
    for reduction in KEEPING:
        verdict = search(spinner(), reduction=reduction)
        assert verdict.exhausted
        assert verdict.cycles
        assert len(verdict.spins) == 1
        assert not verdict.findings
        assert len(verdict.final) == 1


def test_each_sort_of_cycle_is_told_once() -> None:
    world = World()
    flag = Atomic(world, "flag", 0)

    async def spin() -> None:
        while True:
            world.current.live = ()
            if await flag.read() > 1:
                return

    world.spawn("a", spin)
    world.spawn("b", spin)
    verdict = search(world.seal())
    assert verdict.exhausted
    assert {turns[-1] for turns in verdict.spins} == {0, 1}
    assert verdict.complete == 0


def counted(world: World, preemptions: int) -> int:
    """Schedules with at most so many preemptions, counted without the search."""
    found = 0
    for turns, enabled in all_turns(world):
        switches = sum(
            before != after and before in could
            for before, after, could in zip(turns, turns[1:], enabled[1:], strict=False)
        )
        found += switches <= preemptions
    return found


@pytest.mark.parametrize("preemptions", [0, 1, 2])
def test_a_bound_on_preemptions_keeps_exactly_what_is_within_it(preemptions: int) -> None:
    for factory in BUGGY.values():
        verdict = search(factory(), bounds=Bounds(preemptions=preemptions), visited=False)
        assert verdict.complete == counted(factory(), preemptions)
        every = len(list(all_turns(factory())))
        assert verdict.exhausted == (verdict.complete == every)
        assert verdict.bound == ("" if verdict.exhausted else "preemptions")
    for seed in range(150):
        world = TinyProgram(seed).world
        plain = search(world, bounds=Bounds(preemptions=preemptions, executions=TOO_LARGE), visited=False)
        if plain.bound != "executions":
            verdict = search(TinyProgram(seed).world, bounds=Bounds(preemptions=preemptions))
            assert verdict.final == plain.final
            assert signatures(verdict.findings) == signatures(plain.findings)
            # What is beyond the bound on one way may be within it on another one to the same state.
            assert verdict.bound in ("", plain.bound)
            if verdict.exhausted:
                assert verdict.final == search(TinyProgram(seed).world).final


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_a_bound_on_steps_keeps_exactly_what_is_within_it(steps: int) -> None:
    cut = 0
    for seed in range(150):
        plain = search(TinyProgram(seed).world, bounds=Bounds(steps=steps), visited=False)
        verdict = search(TinyProgram(seed).world, bounds=Bounds(steps=steps))
        assert verdict.final == plain.final
        assert verdict.bound == plain.bound
        assert signatures(verdict.findings) == signatures(plain.findings)
        cut += verdict.bound == "steps"
    assert cut > 50


def test_bounds_of_the_whole_search_end_it() -> None:
    seed = next(seed for seed in range(100) if search(TinyProgram(seed).world, visited=False).executions > 100)
    verdict = search(TinyProgram(seed).world, bounds=Bounds(executions=10), visited=False)
    assert (verdict.executions, verdict.bound, verdict.exhausted) == (10, "executions", False)
    assert 0 < verdict.coverage < 1
    assert verdict.estimate > 10
    assert search(TinyProgram(seed).world, bounds=Bounds(seconds=0), visited=False).bound == "time"
    with pytest.raises(ValueError, match="without reduction"):
        Exhaustive(TinyProgram(seed).world, Bounds(preemptions=1), reduction=Reduction.SLEEP)


def test_coverage_of_a_whole_search_is_one() -> None:
    for seed in range(50):
        verdict = search(TinyProgram(seed).world)
        assert verdict.coverage == pytest.approx(1)


def test_the_turns_of_a_finding_show_it() -> None:
    shown = 0
    for seed in range(100):
        world = TinyProgram(seed, observed=True).world
        for found in search(world).findings:
            execution = Stepper(TinyProgram(seed, observed=True).world).run(Replay(found.turns))
            seen = [execution.violation, *execution.deferred]
            assert found.signature[0] in [each.kind for each in seen if each is not None]
            shown += 1
    assert shown > 50


def test_stop_ends_at_the_first_finding() -> None:
    verdict = search(BUGGY["lost_update"](), stop=True)
    assert (verdict.bound, len(verdict.findings), verdict.exhausted) == ("finding", 1, False)


def test_an_observer_that_did_not_remember_enough_begins_the_search_again() -> None:
    world = World()
    cell = Cell(world, "cell", 0)
    seen: list[int] = []

    def watch(old: int, new: int) -> None:
        seen.append(new)
        if new == 2 and not world.revised:
            world.revised = not remembering
            remembering.append(True)

    def at_end() -> None:
        raise Violation("order", "", channel=str(seen))

    remembering: list[bool] = []
    cell.watch = watch
    world.hooks.append((cell, "watch"))
    world.memories["seen"] = lambda: list(seen) if remembering else ()
    world.on_reset.append(seen.clear)
    world.on_end.append(at_end)

    def writer(value: int) -> Any:
        async def run() -> None:
            await cell.write(value)
            await cell.write(3)

        return run

    world.spawn("one", writer(1))
    world.spawn("two", writer(2))
    verdict = search(world.seal())
    assert verdict.passes == 2
    assert len(verdict.findings) == 4
