"""The schedulers that can be asked for by name."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from daxfuzz.search.bounded import DELAYS, PREEMPTIONS, BoundedSearch
from daxfuzz.search.pct import PCT
from daxfuzz.search.pos import POS
from daxfuzz.search.profile import Profile
from daxfuzz.search.random_walk import RandomWalk
from daxfuzz.search.rff import RFF
from daxfuzz.search.sticky import StickyWalk
from daxfuzz.search.uniform import SURW, UniformWalk
from daxfuzz.sim import Scheduler


@dataclass(slots=True)
class Memory:
    """What strategies have learned from the executions of one program so far; a fresh one for each program.

    profile: of the first execution by a strategy that wants one.
    delays, preemptions, rff: schedulers that go on where they were in the execution before.
    """

    profile: Profile = field(default_factory=Profile)
    delays: BoundedSearch = field(default_factory=lambda: BoundedSearch(DELAYS))
    preemptions: BoundedSearch = field(default_factory=lambda: BoundedSearch(PREEMPTIONS))
    rff: RFF = field(default_factory=lambda: RFF(random.Random(0)))


Make = Callable[[random.Random, int, Memory], Scheduler]


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to search.

    summary: one line for a reader.
    make: builds the scheduler of one execution from its source of randomness, a bound on its turns, and what is known
        of the program.
    learns: whether executions of a program go by what those before have put into the memory. Without one such a
        strategy makes the same first execution again and again, which may not be worth much.
    repeats: whether many executions of a small program are the same as earlier ones, which Tracks can tell: it goes by
        nothing but which tasks can run and how many turns there have been.
    """

    summary: str
    make: Make
    learns: bool = False
    repeats: bool = False


def _pct(depth: int) -> Strategy:
    def make(rng: random.Random, bound: int, memory: Memory) -> Scheduler:
        return PCT(rng, depth, bound)

    changes = "1 random change" if depth == 2 else f"{depth - 1} random changes"
    return Strategy(f"random priorities with {changes} (PCT, depth {depth})", make, repeats=True)


def _going_on(scheduler: Callable[[Memory], BoundedSearch | RFF]) -> Make:
    """A scheduler of the memory, with the randomness of the execution that begins."""

    def make(rng: random.Random, bound: int, memory: Memory) -> Scheduler:
        found = scheduler(memory)
        found.rng = rng
        return found

    return make


STICKY_MEANS = (5.0, 10.0, 20.0, 40.0)
"""Turns between two draws of a sticky walk; some flaws need many switches, others few."""


STRATEGIES: dict[str, Strategy] = {
    "random": Strategy(
        "at each turn any task that can run, all equally likely", lambda rng, bound, memory: RandomWalk(rng)
    ),
    "pct-2": _pct(2),
    "pct-3": _pct(3),
    "pct-4": _pct(4),
    "sticky": Strategy(
        "a task that runs goes on for 5, 10, 20 or 40 turns on average, then any",
        lambda rng, bound, memory: StickyWalk(rng, rng.choice(STICKY_MEANS)),
        repeats=True,
    ),
    "pos": Strategy("random priorities, drawn anew for accesses that race (POS)", lambda rng, bound, memory: POS(rng)),
    "uniform": Strategy(
        "all interleavings equally likely, as far as tasks do not block (URW)",
        lambda rng, bound, memory: UniformWalk(rng, memory.profile),
        learns=True,
    ),
    "surw": Strategy(
        "all orders of the accesses to one contended object equally likely (SURW)",
        lambda rng, bound, memory: SURW(rng, memory.profile),
        learns=True,
    ),
    "rff": Strategy(
        "mutates constraints on who reads from whom, of executions with new pairs (RFF)",
        _going_on(lambda memory: memory.rff),
        learns=True,
    ),
    "delays": Strategy(
        "all schedules, those with few delays of a round-robin first (delay bounding)",
        _going_on(lambda memory: memory.delays),
        learns=True,
    ),
    "preemptions": Strategy(
        "all schedules, those with few preemptions first (preemption bounding)",
        _going_on(lambda memory: memory.preemptions),
        learns=True,
    ),
}
"""Names are part of the command line and of recorded campaigns: never renamed, order never changed."""

MEMORYLESS = tuple(name for name, strategy in STRATEGIES.items() if not strategy.learns)
"""Those that are as good in a single execution as in many of one program."""

MIX: dict[str, float] = dict.fromkeys(("random", "pct-2", "pct-3", "pct-4", "sticky", "pos", "surw", "delays"), 1.0)
"""What a portfolio begins with: weights relative to each other.

Together they fail more programs, and with more kinds of failures, than any of them alone in as many executions. The
others have added nothing to that in the twenty executions of a program."""


def make_scheduler(name: str, rng: random.Random, bound: int, memory: Memory | None = None) -> Scheduler:
    """The scheduler of that name.

    rng: source of all its choices.
    bound: turns that an execution takes at most, as far as is known; at least 1.
    memory: of the program; default: nothing is known, and what the scheduler learns only itself knows.

    Raises ValueError for an unknown name.
    """
    strategy = STRATEGIES.get(name)
    if strategy is None:
        raise ValueError(f"no strategy {name!r}; there are {', '.join(STRATEGIES)}")
    return strategy.make(rng, bound, memory or Memory())
