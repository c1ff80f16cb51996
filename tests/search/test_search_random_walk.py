from __future__ import annotations

import random
from collections import Counter

import pytest
from search_programs import abba, all_turns, chi_square, chi_square_limit, lost_update, lost_wakeup

from daxfuzz.search import RandomWalk
from daxfuzz.search.random_walk import positions
from daxfuzz.sim import Stepper


@pytest.mark.parametrize("n", [1, 2, 3, 7, 11, 200, 256, 300])
def test_positions_are_uniform(n: int) -> None:
    draw = positions(random.Random(n), n)
    observed = Counter(draw() for _ in range(60 * n))
    assert set(observed) <= set(range(n))
    if n > 1:
        statistic, freedom = chi_square(observed, dict.fromkeys(range(n), 1 / n))
        assert statistic < chi_square_limit(freedom)


def test_no_byte_value_is_favoured() -> None:
    # Without rejection 0 would come up 86 times in 256: 4.6 standard deviations more at this number of draws.
    draw = positions(random.Random(5), 3)
    draws = 600_000
    zeros = sum(draw() == 0 for _ in range(draws))
    assert abs(zeros - draws / 3) < 3 * (draws * 2 / 9) ** 0.5


@pytest.mark.parametrize("factory", [lost_update, lambda: lost_update(3), abba, lost_wakeup])
def test_each_schedule_has_its_exact_probability(factory) -> None:
    expected: dict[tuple[int, ...], float] = {}
    for turns, questions in all_turns(factory()):
        probability = 1.0
        for enabled in questions:
            probability /= len(enabled)
        expected[turns] = probability
    assert sum(expected.values()) == pytest.approx(1)
    host, walk = Stepper(factory()), RandomWalk(random.Random(11))
    observed = Counter(tuple(host.run(walk).turns) for _ in range(6000))
    statistic, freedom = chi_square(observed, expected)
    assert statistic < chi_square_limit(freedom)


def test_equal_seeds_walk_alike_and_others_do_not() -> None:
    host = Stepper(lost_update(4))

    def walk(seed: int) -> list[list[int]]:
        scheduler = RandomWalk(random.Random(seed))
        return [host.run(scheduler).turns for _ in range(20)]

    assert walk(1) == walk(1) != walk(2)


def test_one_walk_serves_worlds_of_different_sizes() -> None:
    walk = RandomWalk(random.Random(0))
    for tasks in (1, 5, 2, 8):
        assert sorted(Stepper(lost_update(tasks)).run(walk).turns) == sorted([*range(tasks)] * 2)


def test_a_lone_task_is_no_choice() -> None:
    rng = random.Random(3)
    walk = RandomWalk(rng)
    walk.new_execution(lost_update(2))
    before = rng.getstate()
    task, turns = walk.next_run([1], 0)
    assert task == walk.next_task([1], 0) == 1
    assert turns > 1000
    assert rng.getstate() == before
    assert {walk.next_run([0, 1], 0)[1] for _ in range(20)} == {1}
    assert rng.getstate() != before
