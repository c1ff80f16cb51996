from __future__ import annotations

import random
from collections import Counter

import pytest
from search_programs import abba, all_turns, chi_square, chi_square_limit, lost_update, lost_wakeup

from daxfuzz.search import StickyWalk
from daxfuzz.sim import Stepper

MEAN = 2.5


@pytest.mark.parametrize("factory", [lost_update, lambda: lost_update(3), abba, lost_wakeup])
def test_each_schedule_has_its_exact_probability(factory) -> None:
    expected: dict[tuple[int, ...], float] = {}
    for turns, questions in all_turns(factory()):
        probability = 1.0
        for current, task, enabled in zip((-1, *turns), turns, questions, strict=False):
            drawn = 1 / len(enabled)
            if current in enabled:
                drawn = drawn / MEAN + (task == current) * (1 - 1 / MEAN)
            probability *= drawn
        expected[turns] = probability
    assert sum(expected.values()) == pytest.approx(1)
    host, walk = Stepper(factory()), StickyWalk(random.Random(11), MEAN)
    observed = Counter(tuple(host.run(walk).turns) for _ in range(6000))
    statistic, freedom = chi_square(observed, expected)
    assert statistic < chi_square_limit(freedom)


def test_the_mean_is_the_number_of_turns_between_two_draws() -> None:
    walk = StickyWalk(random.Random(2), 20.0)
    lengths = []
    for _ in range(4_000):
        walk.new_execution(lost_update())
        lengths.append(walk.next_run([0, 1], 0)[1])
    assert min(lengths) >= 1
    assert sum(lengths) / len(lengths) == pytest.approx(20, rel=0.05)


def test_equal_seeds_walk_alike_and_others_do_not() -> None:
    host = Stepper(lost_update(4))

    def walk(seed: int) -> list[list[int]]:
        scheduler = StickyWalk(random.Random(seed), MEAN)
        return [host.run(scheduler).turns for _ in range(20)]

    assert walk(1) == walk(1) != walk(2)


@pytest.mark.parametrize("mean", [1.0, 0.0, -3.0])
def test_a_walk_that_does_not_stick_is_refused(mean: float) -> None:
    with pytest.raises(ValueError, match="more than 1"):
        StickyWalk(random.Random(0), mean)
