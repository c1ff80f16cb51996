"""The schedulers that take part."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from daxfuzz.search import PCT, POS, RFF, SURW, RandomWalk, UniformWalk
from daxfuzz.sim import Scheduler


@dataclass(frozen=True, slots=True)
class Contestant:
    """A scheduler that searches one program.

    make: builds it. One object makes all executions of a trial, so that it may learn from one what it uses in the next;
        those in which it only learns count like all others.
    memoryless: whether all executions of all trials are equally likely to find the bug.
    """

    title: str
    make: Callable[[random.Random], Scheduler]
    memoryless: bool


CONTESTANTS: Mapping[str, Contestant] = {
    "random": Contestant("random walk", RandomWalk, memoryless=True),
    "pct-3": Contestant("PCT, depth 3", lambda rng: PCT(rng, 3), memoryless=True),
    "pos": Contestant("POS", POS, memoryless=True),
    "uniform": Contestant("uniform random walk", UniformWalk, memoryless=False),
    "surw": Contestant("SURW", SURW, memoryless=False),
    "rff": Contestant("RFF", RFF, memoryless=False),
}
"""PCT needs the length of an execution and takes it from the first one, which hardly ever matters."""
