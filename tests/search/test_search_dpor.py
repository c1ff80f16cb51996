"""Dynamic partial order reduction against an independent count of the orders that matter."""

from __future__ import annotations

from search_programs import BUGGY, all_turns
from tiny_programs import TinyProgram

from daxfuzz.search import Bounds, Dpor, Exhaustive, Reduction, Replay
from daxfuzz.sim import Point, Stepper, World, conflict

FEW = 150
"""Complete executions of a program that is looked at."""


def traces(world: World) -> set[frozenset[tuple[tuple[int, int], tuple[int, int]]]]:
    """All complete executions, each as the set of its pairs of clashing steps in their order (Mazurkiewicz)."""
    found = set()
    for turns, _ in list(all_turns(world)):
        execution = Stepper(world).run(Replay(turns))
        steps: list[tuple[tuple[int, int], Point]] = []
        counts = [0] * len(world.tasks)
        for step in execution.steps():
            steps.append(((step.task, counts[step.task]), step.point))
            counts[step.task] += 1
        found.add(
            frozenset(
                (one, other)
                for number, (other, after) in enumerate(steps)
                for one, before in steps[:number]
                if one[0] != other[0] and conflict(before, after)
            )
        )
    return found


def test_each_order_of_clashing_steps_is_run_to_its_end_exactly_once() -> None:
    compared = several = fewer = 0
    for seed in range(400):
        plain = Exhaustive(TinyProgram(seed).world, Bounds(executions=FEW), visited=False).search()
        if not plain.exhausted or plain.findings:
            continue
        slept = Exhaustive(TinyProgram(seed).world, reduction=Reduction.SLEEP, visited=False).search()
        reduced = Dpor(TinyProgram(seed).world).search()
        distinct = len(traces(TinyProgram(seed).world))
        assert reduced.complete == slept.complete == distinct, seed
        assert reduced.final == slept.final == plain.final, seed
        compared += 1
        several += distinct > 2
        fewer += reduced.transitions < plain.transitions
    assert compared > 200
    assert several > 50
    assert fewer > 100


def test_findings_and_final_states_are_those_of_a_search_that_leaves_out_nothing() -> None:
    failing = 0
    for seed in range(120):
        for observed in (False, True):
            plain = Exhaustive(TinyProgram(seed, observed).world, Bounds(executions=FEW), visited=False).search()
            if not plain.exhausted:
                continue
            reduced = Dpor(TinyProgram(seed, observed).world).search()
            assert reduced.exhausted
            assert reduced.final == plain.final, (seed, observed)
            assert {each.signature for each in reduced.findings} == {each.signature for each in plain.findings}, seed
            failing += bool(plain.findings)
    assert failing > 20


def test_locks_taken_in_opposite_orders_are_run_both_ways() -> None:
    verdict = Dpor(BUGGY["abba"]()).search()
    assert len(verdict.final) == 2
    assert verdict.complete == len(traces(BUGGY["abba"]()))
