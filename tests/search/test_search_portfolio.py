from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from search_programs import BUGGY, chi_square, chi_square_limit, is_buggy, lost_update

from daxfuzz.search import MEMORYLESS, MIX, STRATEGIES, SURW, Memory, Portfolio, Recorder, UniformWalk, make_scheduler
from daxfuzz.search.portfolio import FLOOR
from daxfuzz.sim import Stepper

ENOUGH = 150
"""Executions in which every strategy finds every bug of BUGGY: the rarest has p >= 1/(n k) = 1/18 under PCT of depth 2,
so a strategy misses it once in 5,000 seeds; deeper ones are no worse by more than a factor of 2 on these."""


@pytest.mark.parametrize("bug", BUGGY)
@pytest.mark.parametrize("name", STRATEGIES)
def test_each_strategy_finds_each_bug(name: str, bug: str) -> None:
    host, scheduler = Stepper(BUGGY[bug]()), make_scheduler(name, random.Random(1), 9)
    assert any(is_buggy(host.run(scheduler)) for _ in range(ENOUGH))


@pytest.mark.parametrize("bug", BUGGY)
def test_the_portfolio_finds_each_bug(bug: str) -> None:
    host, portfolio = Stepper(BUGGY[bug]()), Portfolio()
    assert any(is_buggy(host.run(portfolio.make(7, index, 9)[1])) for index in range(ENOUGH))


def test_the_correct_program_has_no_bug() -> None:
    host, portfolio = Stepper(lost_update(1)), Portfolio()
    assert not any(is_buggy(host.run(portfolio.make(7, index, 9)[1])) for index in range(ENOUGH))


def picks(portfolio: Portfolio, seed: int, indices: range) -> list[tuple[str, list[int]]]:
    host = Stepper(lost_update(4))
    found = []
    for index in indices:
        name, scheduler = portfolio.make(seed, index, 8)
        found.append((name, host.run(scheduler).turns))
    return found


def test_an_execution_depends_on_nothing_but_seed_and_index() -> None:
    straight = picks(Portfolio(), 3, range(60))
    backwards = picks(Portfolio(), 3, range(59, -1, -1))
    assert straight == backwards[::-1]
    assert straight != picks(Portfolio(), 4, range(60))
    assert len({tuple(turns) for _, turns in straight}) > 30


def test_with_a_memory_it_depends_on_the_executions_before() -> None:
    def run(weights: dict[str, float], indices: range) -> list[list[int]]:
        host, portfolio, memory = Stepper(lost_update(4)), Portfolio(weights), Memory()
        return [host.run(portfolio.make(3, index, 8, memory)[1]).turns for index in indices]

    for name, strategy in STRATEGIES.items():
        straight = run({name: 1.0}, range(30))
        assert run({name: 1.0}, range(30)) == straight
        assert (run({name: 1.0}, range(10, 30)) != straight[10:]) is strategy.learns
        assert (name in MEMORYLESS) is not strategy.learns
    everything = dict.fromkeys(STRATEGIES, 1.0)
    assert run(everything, range(60)) == run(everything, range(60))


def test_one_profiling_run_is_enough_for_all_that_want_it() -> None:
    host, memory = Stepper(lost_update(4)), Memory()
    profiling = []
    for index, name in enumerate(("surw", "uniform", "surw", "uniform")):
        scheduler = make_scheduler(name, random.Random(index), 8, memory)
        host.run(scheduler)
        assert isinstance(scheduler, SURW | UniformWalk)
        profiling.append(scheduler.profiling)
    assert profiling == [True, False, False, False]


def test_systematic_strategies_go_on_where_they_were() -> None:
    for name in ("delays", "preemptions"):
        host, memory = Stepper(lost_update(3)), Memory()
        turns = [tuple(host.run(make_scheduler(name, random.Random(i), 8, memory)).turns) for i in range(40)]
        assert len(set(turns)) == 40


def test_processes_agree() -> None:
    code = "import test_search_portfolio as t; print(t.picks(t.Portfolio(), 3, range(40)))"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert outputs == [str(picks(Portfolio(), 3, range(40)))] * 2


def test_strategies_come_up_by_their_weights() -> None:
    weights = {"random": 1.0, "pct-2": 2.0, "pct-4": 5.0}
    portfolio = Portfolio(weights)
    observed = Counter(portfolio.make(1, index, 10)[0] for index in range(4000))
    statistic, freedom = chi_square(observed, {name: weight / 8 for name, weight in weights.items()})
    assert statistic < chi_square_limit(freedom)


def test_reward_follows_yield_and_starves_nobody() -> None:
    portfolio = Portfolio()
    portfolio.reward({"pct-3": 2})
    n = len(MIX)
    assert portfolio.weights["pct-3"] > 1 / n > portfolio.weights["random"]
    for _ in range(200):
        portfolio.reward({"pct-3": 10})
    weights = portfolio.weights
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) >= FLOOR / n
    # The fixed point of the rule: w = f/n + (1 - f)((1 - r) w + r) with f = 0.25, r = 0.2.
    assert weights["pct-3"] == pytest.approx((0.25 / n + 0.75 * 0.2) / (1 - 0.75 * 0.8))
    for _ in range(200):
        portfolio.reward({"random": 1})
    assert portfolio.weights["random"] > 2 / n


def test_reward_is_for_yield_per_execution() -> None:
    portfolio = Portfolio({"random": 9.0, "pct-2": 1.0})
    portfolio.reward({"random": 5, "pct-2": 5})
    # As many results from a ninth of the executions: 0.9 of the gain.
    assert portfolio.weights["pct-2"] == pytest.approx(0.25 / 2 + 0.75 * (0.8 * 0.1 + 0.2 * 0.9))


def test_a_round_without_results_teaches_nothing() -> None:
    portfolio = Portfolio({"random": 3.0, "pct-2": 1.0})
    portfolio.reward({})
    portfolio.reward({"random": 0, "pct-2": 0})
    assert portfolio.weights == {"random": 3.0, "pct-2": 1.0}


def test_a_copy_by_weights_picks_alike() -> None:
    portfolio = Portfolio()
    portfolio.reward({"pct-2": 3, "random": 1})
    shuffled = dict(reversed(portfolio.weights.items()))
    assert picks(Portfolio(shuffled), 5, range(40)) == picks(portfolio, 5, range(40))
    assert picks(Portfolio(), 5, range(40)) != picks(portfolio, 5, range(40))


@pytest.mark.parametrize("weights", [{}, {"random": 0.0}, {"random": -1.0}, {"random": float("nan")}, {"dfs": 1.0}])
def test_senseless_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="strateg"):
        Portfolio(weights)


def test_senseless_rewards_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Portfolio().reward({"random": -1})


def test_unknown_names_are_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'dfs'; there are random, pct-2, pct-3, pct-4, sticky"):
        make_scheduler("dfs", random.Random(0), 1)


def test_every_strategy_has_a_line_for_the_reader() -> None:
    for name, strategy in STRATEGIES.items():
        assert strategy.summary
        assert "\n" not in strategy.summary
        recorder = Recorder(make_scheduler(name, random.Random(0), 4))
        Stepper(lost_update()).run(recorder)
        assert len(recorder.turns) == 4
