"""Who runs next: schedulers that explore, schedulers that replay, and schedulers that wrap others.

A scheduler answers one question, ``next_task(enabled, current)``. It sees a world of :mod:`daxfuzz.sim` and knows
nothing about what the tasks are for; together the two packages test any small concurrent program. All randomness
comes from the one ``random.Random`` that a scheduler is given, so equal seeds give equal schedules, in every process.

What replays does so exactly: recorded turns (:class:`Replay`), their few departures from the default rule
(:func:`sparsify`, :class:`SparseReplay`), or only the order of labelled steps (:class:`OrderReplay`), which fixes
what a bug needs and leaves the rest open. What explores promises no more than its docstring says. Exhaustive, which is
no scheduler but a search of its own, is the one that covers everything:

    verdict = Exhaustive(world).search()
    print(verdict.exhausted, verdict.states, verdict.findings)

May import: daxfuzz.sim.
"""

from daxfuzz.search.bounded import DELAYS, PREEMPTIONS, BoundedRun, BoundedSearch, Delays, Preemptions, bounded_runs
from daxfuzz.search.bounds import Bounds
from daxfuzz.search.constrained import Constrained
from daxfuzz.search.decorator import Decorator
from daxfuzz.search.determinism import CheckDeterminism, NondeterminismError, check_determinism
from daxfuzz.search.dpor import Dpor, make_search
from daxfuzz.search.exhaustive import Exhaustive, Reduction
from daxfuzz.search.fair import RoundRobin
from daxfuzz.search.order import Occurrences, OrderReplay, labels_of, next_labels, pending_labels
from daxfuzz.search.pct import PCT
from daxfuzz.search.portfolio import Portfolio
from daxfuzz.search.pos import POS
from daxfuzz.search.profile import Profile
from daxfuzz.search.random_walk import RandomWalk
from daxfuzz.search.recorder import Recorder, Turn
from daxfuzz.search.replay import DivergedError, Replay, SparseReplay, default_task, first_divergence
from daxfuzz.search.rff import RFF
from daxfuzz.search.sequential import Sequential
from daxfuzz.search.sparse import Switches, sparsify, switches_of
from daxfuzz.search.sticky import StickyWalk
from daxfuzz.search.strategies import MEMORYLESS, MIX, STRATEGIES, Memory, Strategy, make_scheduler
from daxfuzz.search.tracks import Tracks
from daxfuzz.search.uniform import SURW, UniformWalk
from daxfuzz.search.verdict import Found, Verdict

__all__ = [
    "DELAYS",
    "MEMORYLESS",
    "MIX",
    "PCT",
    "POS",
    "PREEMPTIONS",
    "RFF",
    "STRATEGIES",
    "SURW",
    "BoundedRun",
    "BoundedSearch",
    "Bounds",
    "CheckDeterminism",
    "Constrained",
    "Decorator",
    "Delays",
    "DivergedError",
    "Dpor",
    "Exhaustive",
    "Found",
    "Memory",
    "NondeterminismError",
    "Occurrences",
    "OrderReplay",
    "Portfolio",
    "Preemptions",
    "Profile",
    "RandomWalk",
    "Recorder",
    "Reduction",
    "Replay",
    "RoundRobin",
    "Sequential",
    "SparseReplay",
    "StickyWalk",
    "Strategy",
    "Switches",
    "Tracks",
    "Turn",
    "UniformWalk",
    "Verdict",
    "bounded_runs",
    "check_determinism",
    "default_task",
    "first_divergence",
    "labels_of",
    "make_scheduler",
    "make_search",
    "next_labels",
    "pending_labels",
    "sparsify",
    "switches_of",
]
