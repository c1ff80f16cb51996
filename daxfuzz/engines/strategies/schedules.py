"""Strategies for schedules."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import strategies as st

from daxfuzz.sim import SparseSchedule


def schedules(tasks: int, *, switches: int = 4, turns: int = 200) -> st.SearchStrategy[SparseSchedule]:
    """Schedules of a program: a task runs until it blocks or ends, except for some switches. None is the simplest.

    tasks: how many there are.
    switches: at most so many.
    turns: a switch is at most so many turns behind the one before.

    Raises ValueError if there are no tasks, or for other numbers below 0.
    """
    if tasks < 1 or switches < 0 or turns < 0:
        raise ValueError(f"no schedule has {tasks} tasks, {switches} switches and {turns} turns between them")
    pairs = st.tuples(st.integers(0, turns), st.integers(0, tasks - 1))
    return st.lists(pairs, max_size=switches).map(ascending)


def ascending(pairs: list[tuple[int, int]]) -> SparseSchedule:
    """A schedule from switches of which each says how many turns lie between the one before and itself."""
    places = accumulate((gap for gap, _ in pairs), lambda before, gap: before + gap + 1)
    return SparseSchedule(tuple((place, task) for place, (_, task) in zip(places, pairs, strict=True)))
