"""How fast the atheris engine is beside the built-in one, and whether its features are worth what they cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from daxfuzz.bench.bugs import ATHERIS, UNGUIDED, Hunt, Run
from daxfuzz.bench.by_atheris import seconds_of
from daxfuzz.engines.jobs import ChunkJob, run_chunk
from daxfuzz.program.case import KernelSpec
from daxfuzz.search import Portfolio
from daxfuzz.triage.bench import KernelChoice

KERNEL = KernelChoice(KernelSpec("pin-wait-fixed"))
"""Silent, so that neither engine is kept by findings; all oracles are on."""

DEEP = (
    "fault-maps-stale-hole-vs-write",
    "paused-iterator-skips-waited-entry",
    "scan-skips-locked-entry",
    "hole-replace-wakes-one",
    "exclusive-wait-by-non-locker",
    "invalidate-null-entry-breaks-wake-chain",
    "lock-page-drops-exclusive-wake",
    "pmd-waiter-on-wrong-queue",
    "lock-page-freed-inode",
    "gupfast-pin-vs-fork-wrprotect",
    "mremap-tlb-vs-truncate",
    "pgmap-release-before-last-put",
)
"""The known bugs whose minimal cases have two switches or more, which are seven, and five with one that random programs
hit seldom."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Executions per second of processor time, side by side."""

    builtin: float
    atheris: float

    @property
    def ratio(self) -> float:
        """Of atheris to the built-in engine."""
        return self.atheris / self.builtin


def compare_rates(seed: int, executions: int) -> Rate:
    """One round: so many executions of each. Raises WorkerFailed."""
    start = time.process_time()
    done = run_chunk(ChunkJob(KERNEL, seed, 0, executions, (), Portfolio().weights)).executions
    builtin = done / (time.process_time() - start)
    return Rate(builtin, executions / seconds_of(KERNEL, seed, executions))


@dataclass(frozen=True, slots=True)
class Guidance:
    """Runs of the same bug with the same seed, with and without features.

    sooner, later, equal: in how many pairs the run with features ended sooner with the bug.
    p_value: of the one-sided sign test, how likely as many would be if it made no difference.
    """

    sooner: int
    later: int
    equal: int
    p_value: float


def guidance(runs: Mapping[Hunt, Run]) -> Guidance:
    """Compare the pairs there are. A run that did not find the bug counts as longer than any that did."""
    pairs: dict[tuple[str, int], dict[str, float]] = {}
    for hunt, run in runs.items():
        length = float("inf") if run.kind is None else float(run.executions)
        pairs.setdefault((hunt.bug, hunt.seed), {})[hunt.strategy] = length
    both = [pair for pair in pairs.values() if len(pair) == 2]
    sooner = sum(pair[ATHERIS] < pair[UNGUIDED] for pair in both)
    later = sum(pair[ATHERIS] > pair[UNGUIDED] for pair in both)
    return Guidance(sooner, later, len(both) - sooner - later, sign_test(sooner, later))


def sign_test(sooner: int, later: int) -> float:
    """How likely at least so many of all that differ would be sooner, if both were equally likely."""
    # Importing it takes longer than most commands.
    from scipy.stats import binomtest

    return 1.0 if not sooner + later else float(binomtest(sooner, sooner + later, alternative="greater").pvalue)
