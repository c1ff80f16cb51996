"""Programs of SCTBench (Thomson, Donaldson, Betts, TOPC 2016) on daxfuzz.sim, written anew from what they do.

Each access to a variable that threads share is one point, in the order of the C program, where an unoptimized compiler
puts it; so is each call of the pthread library. The order in which threads are created, and the joins, are those of
the PERIOD suite, on which the published figures were measured (it has lazy01 the other way round). A bug is an
assertion that fails, or a deadlock.

Known deviations: a mutex that is released goes to whichever thread takes it first, where the tools that the figures
come from hand it to one of those that wait; variables of one thread alone are no points, apart from those of main in
front of each creation where it checks for errors (CHECKED_SPAWN), since what a creation costs decides what the random
walk finds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from daxfuzz.bench.schedulers.programs.account import account
from daxfuzz.bench.schedulers.programs.carter01 import carter01
from daxfuzz.bench.schedulers.programs.circular_buffer import circular_buffer
from daxfuzz.bench.schedulers.programs.deadlock01 import deadlock01
from daxfuzz.bench.schedulers.programs.lazy01 import lazy01
from daxfuzz.bench.schedulers.programs.queue import queue
from daxfuzz.bench.schedulers.programs.reorder import reorder
from daxfuzz.bench.schedulers.programs.token_ring import token_ring
from daxfuzz.bench.schedulers.programs.twostage import twostage
from daxfuzz.bench.schedulers.programs.work_steal_queue import work_steal_queue
from daxfuzz.bench.schedulers.programs.wronglock import wronglock
from daxfuzz.sim import World

PROGRAMS: Mapping[str, Callable[[], World]] = {
    "CS/account": account,
    "CS/carter01": carter01,
    "CS/circular_buffer": circular_buffer,
    "CS/deadlock01": deadlock01,
    "CS/lazy01": lazy01,
    "CS/queue": queue,
    "CS/token_ring": token_ring,
    "CS/twostage": partial(twostage, 1, 1),
    "CS/twostage_50": partial(twostage, 40, 10),
    "CS/reorder_3": partial(reorder, 2, 1),
    "CS/reorder_4": partial(reorder, 3, 1),
    "CS/reorder_5": partial(reorder, 4, 1),
    "CS/reorder_20": partial(reorder, 10, 10),
    "CS/wronglock": partial(wronglock, 1, 7),
    "Chess/WorkStealQueue": work_steal_queue,
}
"""Names are those of the suite."""
