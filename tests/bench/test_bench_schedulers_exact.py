"""Schedulers against exact probabilities, and these against what is known by hand."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from math import factorial, prod

import pytest

from daxfuzz.bench.schedulers import probabilities
from daxfuzz.bench.schedulers.exact import LEVEL, SAMPLERS, Sample, agrees, chi_square, program_samples
from daxfuzz.bench.schedulers.small import LIMIT, SMALL, lost_update
from daxfuzz.bench.schedulers.tree import tree
from daxfuzz.bench.schedulers.trials import is_buggy
from daxfuzz.search import StickyWalk
from daxfuzz.sim import Stepper

EXECUTIONS = 3_000

ROOTS = {name: tree(make(), LIMIT) for name, make in SMALL.items()}


@pytest.mark.parametrize("name", SMALL)
def test_schedulers_hit_as_often_as_the_papers_say(name: str) -> None:
    """Each of the about 30 comparisons fails with a probability of 1e-4 by chance; the seed is fixed."""
    measured = program_samples(name, list(SAMPLERS), EXECUTIONS, seed=1)
    assert {sample.strategy for sample in measured} >= {"random", "pct-3", "pos"}
    assert [sample for sample in measured if sample.p_value < 1e-4] == []


def test_every_strategy_is_compared_on_several_programs() -> None:
    compared = Counter(
        strategy
        for root in ROOTS.values()
        for strategy, sampler in SAMPLERS.items()
        if sampler.probability(root) is not None
    )
    assert min(compared[strategy] for strategy in SAMPLERS) >= 4


def test_a_scheduler_that_is_not_uniform_is_rejected() -> None:
    root = ROOTS["late-lost-update"]
    host = Stepper(SMALL["late-lost-update"]())
    scheduler = StickyWalk(random.Random(0), 3)
    hits = sum(is_buggy(host.run(scheduler)) for _ in range(EXECUTIONS))
    for probability in (probabilities.random_walk(root), probabilities.uniform(root), probabilities.pos(root)):
        assert probability is not None
        assert chi_square(hits, EXECUTIONS, probability) < 1e-4


def test_two_increments() -> None:
    root = tree(lost_update(2), LIMIT)
    # Of the six interleavings two are serial.
    assert probabilities.uniform(root) == Fraction(4, 6)
    # The second turn must be the other task's.
    assert probabilities.random_walk(root) == Fraction(1, 2)
    # Both reads come first if the first task's write has the lowest priority of three.
    assert probabilities.pos(root) == Fraction(1, 3)
    # One change point of four is right, and none is not enough.
    assert probabilities.pct(root, 2) == Fraction(1, 4)
    assert probabilities.pct(root, 1) == 0
    assert probabilities.surw(root) == Fraction(4, 6)


def test_private_steps_change_nothing_for_the_selective_walk() -> None:
    probability = [probabilities.surw(tree(lost_update(2, before, before), LIMIT)) for before in range(5)]
    assert probability == [Fraction(2, 3)] * 5


@pytest.mark.parametrize("name", ["lost-update", "lost-update-of-three", "late-lost-update", "message", "stores"])
def test_all_interleavings_are_there(name: str) -> None:
    ends = list(ROOTS[name].leaves())
    lengths = Counter(ends[0][0]).values()
    assert len({path for path, _ in ends}) == len(ends)
    assert len(ends) == factorial(sum(lengths)) // prod(map(factorial, lengths))


def test_nothing_is_said_where_tasks_block() -> None:
    assert probabilities.uniform(ROOTS["opposite-locks"]) is None
    assert probabilities.surw(ROOTS["opposite-locks"]) is None


def test_nothing_is_said_of_the_selective_walk_where_two_objects_matter() -> None:
    assert probabilities.uniform(ROOTS["message"]) == Fraction(1, 6)
    assert probabilities.surw(ROOTS["message"]) is None


@pytest.mark.parametrize("name", SMALL)
def test_pct_keeps_what_it_guarantees(name: str) -> None:
    assert probabilities.pct(ROOTS[name], 3) >= probabilities.pct_bound(ROOTS[name], 3) > 0


def test_an_interleaving_that_is_too_long_is_an_error() -> None:
    with pytest.raises(ValueError, match="more than 11 turns"):
        tree(SMALL["late-lost-update"](), 11)


def test_one_bad_sample_is_enough() -> None:
    good = Sample("p", "s", 4, 6, Fraction(1, 2), None, 10, 5, 0.5)
    bad = Sample("p", "s", 4, 6, Fraction(1, 2), None, 10, 0, LEVEL / 4)
    assert agrees([good] * 3)
    assert not agrees([good, bad, good])
    assert chi_square(50, 100, Fraction(1, 2)) == 1.0
    # Two standard deviations.
    assert chi_square(60, 100, Fraction(1, 2)) == pytest.approx(0.0455, abs=1e-4)
