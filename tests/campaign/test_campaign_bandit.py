"""The choice of slices: nothing starves, and what pays gets the rest."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daxfuzz.campaign.bandit import FLOOR, Bandit, gain


def play(bandit: Bandit[str], pays: dict[str, float], slices: int, seed: int = 0, at_once: int = 1) -> None:
    """Give out slices of one second, several at a time, that bring as much as they pay on average."""
    rng = random.Random(seed)
    for _ in range(slices // at_once):
        chosen = [bandit.choose(rng) for _ in range(1)]
        while len(chosen) < at_once:
            bandit.begin(chosen[-1], 1.0)
            chosen.append(bandit.choose(rng))
        bandit.begin(chosen[-1], 1.0)
        for name in chosen:
            bandit.end(name, 1.0)
            bandit.learn(name, rng.expovariate(1 / pays[name]) if pays[name] else 0.0, 1.0)


@settings(deadline=None, max_examples=25)
@given(
    pays=st.lists(st.sampled_from([0.0, 0.1, 1.0, 8.0]), min_size=1, max_size=8),
    weights=st.lists(st.floats(0.05, 20.0), min_size=8, max_size=8),
    seed=st.integers(0, 100),
    at_once=st.integers(1, 6),
)
def test_every_arm_gets_its_floor(pays: list[float], weights: list[float], seed: int, at_once: int) -> None:
    names = [str(index) for index in range(len(pays))]
    bandit = Bandit(dict(zip(names, weights, strict=False)))
    play(bandit, dict(zip(names, pays, strict=True)), 300, seed, at_once)
    spent = sum(arm.spent for arm in bandit.arms.values())
    whole = sum(arm.weight for arm in bandit.arms.values())
    for arm in bandit.arms.values():
        # One slice of each arm may be due at the same time.
        assert arm.spent >= FLOOR * arm.weight / whole * spent - len(names) - at_once


def test_what_pays_most_gets_most() -> None:
    bandit = Bandit(dict.fromkeys("abcde", 1.0))
    play(bandit, {"a": 0.1, "b": 0.1, "c": 5.0, "d": 0.1, "e": 0.0}, 400)
    assert bandit.arms["c"].spent > 200


def test_old_success_fades() -> None:
    bandit = Bandit(dict.fromkeys("ab", 1.0))
    play(bandit, {"a": 5.0, "b": 0.2}, 100)
    before = bandit.arms["b"].spent
    play(bandit, {"a": 0.05, "b": 3.0}, 200, seed=1)
    assert bandit.arms["b"].spent - before > 100


def test_a_weight_buys_time() -> None:
    bandit = Bandit({"a": 4.0, "b": 1.0})
    play(bandit, {"a": 1.0, "b": 1.0}, 300)
    assert bandit.arms["a"].spent > 1.5 * bandit.arms["b"].spent


def test_workers_that_ask_at_once_do_not_all_get_what_has_starved() -> None:
    bandit = Bandit(dict.fromkeys("abcd", 1.0))
    rng = random.Random(0)
    chosen = []
    for _ in range(4):
        chosen.append(bandit.choose(rng))
        bandit.begin(chosen[-1], 1.0)
    assert sorted(chosen) == list("abcd")


def test_a_finding_is_worth_many_features() -> None:
    assert gain(0) == 0
    assert gain(0, 1) == pytest.approx(gain(1023))
