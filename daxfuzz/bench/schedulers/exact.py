"""How often schedulers hit the bugs of small programs, beside the probability that follows from their papers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from fractions import Fraction
from math import erfc, sqrt

from daxfuzz.bench.schedulers import probabilities
from daxfuzz.bench.schedulers.small import LIMIT, SMALL
from daxfuzz.bench.schedulers.tree import Node, tree
from daxfuzz.bench.schedulers.trials import is_buggy
from daxfuzz.search import PCT, POS, SURW, RandomWalk, UniformWalk
from daxfuzz.sim import Scheduler, Stepper

DEPTH = 3
"""Of PCT; all the bugs are of that depth or less."""

LEVEL = 0.001
"""The chance that a measurement rejects any scheduler though all of them are right."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """A scheduler of which the probability to hit a bug can be computed.

    make: builds it. turns: of the longest execution.
    probability: None for a program for which the paper promises nothing exact.
    learning: executions at the beginning that are not counted.
    """

    make: Callable[[random.Random, int], Scheduler]
    probability: Callable[[Node], Fraction | None]
    learning: int = 0


SAMPLERS: Mapping[str, Sampler] = {
    "random": Sampler(lambda rng, turns: RandomWalk(rng), probabilities.random_walk),
    "pct-3": Sampler(lambda rng, turns: PCT(rng, DEPTH, turns), lambda root: probabilities.pct(root, DEPTH)),
    "pos": Sampler(lambda rng, turns: POS(rng), probabilities.pos),
    "uniform": Sampler(lambda rng, turns: UniformWalk(rng), probabilities.uniform, learning=1),
    "surw": Sampler(lambda rng, turns: SURW(rng), probabilities.surw, learning=1),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """Executions of a small program under one scheduler.

    steps: of its longest execution. interleavings: how many there are.
    probability: of the bug, exactly.
    bound: what PCT guarantees; None for the others.
    p_value: of the chi-square test of hits and misses, one degree of freedom.
    """

    program: str
    strategy: str
    steps: int
    interleavings: int
    probability: Fraction
    bound: Fraction | None
    executions: int
    hits: int
    p_value: float


def samples(
    pool: Executor, programs: Iterable[str], strategies: Iterable[str], executions: int, seed: int
) -> Iterator[Sample]:
    """All that can be compared, computed in the processes of a pool; in order."""
    chosen = [name for name in strategies if name in SAMPLERS]
    for done in [pool.submit(program_samples, name, chosen, executions, seed) for name in programs]:
        yield from done.result()


def program_samples(program: str, strategies: Sequence[str], executions: int, seed: int) -> list[Sample]:
    """One program with each strategy for which something exact is known."""
    root = tree(SMALL[program](), LIMIT)
    interleavings = sum(1 for _ in root.leaves())
    found = []
    for strategy in strategies:
        probability = SAMPLERS[strategy].probability(root)
        if probability is not None:
            steps = probabilities.longest(root)
            hits = count_hits(program, strategy, steps, executions, seed)
            bound = probabilities.pct_bound(root, DEPTH) if strategy == "pct-3" else None
            p_value = chi_square(hits, executions, probability)
            found.append(Sample(program, strategy, steps, interleavings, probability, bound, executions, hits, p_value))
    return found


def count_hits(program: str, strategy: str, steps: int, executions: int, seed: int) -> int:
    """How many executions show the bug, without those in which the scheduler only learns."""
    sampler = SAMPLERS[strategy]
    scheduler = sampler.make(random.Random(f"{program}/{strategy}/{seed}"), steps)
    host = Stepper(SMALL[program]())
    for _ in range(sampler.learning):
        host.run(scheduler)
    return sum(is_buggy(host.run(scheduler)) for _ in range(executions))


def chi_square(hits: int, executions: int, probability: Fraction) -> float:
    """With what probability a right scheduler is at least that far off (Pearson's test, one degree of freedom)."""
    mean = executions * probability
    statistic = (hits - mean) ** 2 / (mean * (1 - probability))
    return erfc(sqrt(statistic / 2))


def agrees(measured: Sequence[Sample]) -> bool:
    """Whether no scheduler is to be rejected. Each sample gets its share of LEVEL (Bonferroni)."""
    return all(sample.p_value >= LEVEL / len(measured) for sample in measured)
