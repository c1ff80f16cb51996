"""What holds for every scheduler that explores, on random programs."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_programs import build, specs

from daxfuzz.search import (
    DELAYS,
    PCT,
    POS,
    PREEMPTIONS,
    RFF,
    SURW,
    BoundedSearch,
    RandomWalk,
    Recorder,
    StickyWalk,
    UniformWalk,
)
from daxfuzz.sim import Scheduler, Stepper, TrioHost

Make = Callable[[random.Random], Scheduler]

SCHEDULERS: dict[str, Make] = {
    "random": RandomWalk,
    "sticky": lambda rng: StickyWalk(rng, 3.0),
    "pct": lambda rng: PCT(rng, 3, 10),
    "pos": POS,
    "uniform": UniformWalk,
    "surw": SURW,
    "rff": RFF,
    "preemptions": lambda rng: BoundedSearch(PREEMPTIONS, rng),
    "delays": lambda rng: BoundedSearch(DELAYS, rng),
}

LIMITS = (1000, 7, 1000, 1000)
"""Turns of executions in a row: some strategies learn from one for the next, also from one that is cut short."""


@pytest.mark.parametrize("name", SCHEDULERS)
@settings(max_examples=60, deadline=None)
@given(specs(), st.integers(0, 1 << 30))
def test_only_tasks_that_can_run_are_chosen(name: str, spec, seed: int) -> None:
    host, recorder = Stepper(build(spec)), Recorder(SCHEDULERS[name](random.Random(seed)))
    for limit in LIMITS:
        execution = host.run(recorder, limit)
        assert all(turn.chosen in turn.enabled for turn in recorder.turns)
        assert [turn.chosen for turn in recorder.turns] == execution.turns


@pytest.mark.parametrize("name", SCHEDULERS)
@settings(max_examples=60, deadline=None)
@given(specs(), st.integers(0, 1 << 30))
def test_a_run_is_as_long_as_single_turns_would_have_the_same_answer(name: str, spec, seed: int) -> None:
    runs, turns = SCHEDULERS[name](random.Random(seed)), SCHEDULERS[name](random.Random(seed))
    host, asked = Stepper(build(spec)), Stepper(build(spec))
    for limit in LIMITS:
        # Recorder asks at each turn.
        assert host.run(runs, limit).digest() == asked.run(Recorder(turns), limit).digest()


@pytest.mark.parametrize("name", SCHEDULERS)
@settings(max_examples=25, deadline=None)
@given(specs(), st.integers(0, 1 << 30))
def test_equal_seeds_give_equal_traces_on_both_hosts(name: str, spec, seed: int) -> None:
    def digests(host: Stepper | TrioHost) -> list[str]:
        scheduler = SCHEDULERS[name](random.Random(seed))
        return [host.run(scheduler, limit).digest() for limit in LIMITS]

    expected = digests(Stepper(build(spec)))
    assert digests(Stepper(build(spec))) == expected
    assert digests(TrioHost(build(spec))) == expected
