"""The random walk: at each turn, one of the tasks that can run, all equally likely."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain, repeat
from typing import TYPE_CHECKING

from daxfuzz.search.replay import NEVER
from daxfuzz.sim import Scheduler

if TYPE_CHECKING:
    from daxfuzz.sim import World

CHUNK = 64
"""Random bytes drawn at a time; most executions of small programs need one or two chunks."""


class RandomWalk(Scheduler):
    """Uniform over the enabled tasks at each turn, exactly: no rounding bias for up to 256 tasks.

    It is not uniform over schedules: a task that comes to life late, behind many turns of others, is seldom first.
    Baseline of Thomson, Donaldson, Betts, "Concurrency Testing Using Controlled Schedulers" (TOPC 2016), "Rand".

    rng: source of all choices. It is drawn from ahead of need, in chunks, so what else draws from it sees other
        values than it would without the buffer, though the same ones in every run.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._draws: list[Callable[[], int]] = [_never]

    def new_execution(self, world: World) -> None:
        draws = self._draws
        while len(draws) <= len(world.tasks):
            draws.append(positions(self._rng, len(draws)))

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        return self.next_run(enabled, current)[0]

    def next_run(self, enabled: Sequence[int], current: int) -> tuple[int, int]:
        count = len(enabled)
        if count == 1:
            # As often as not, since most executions end with one task that the others have left alone.
            return enabled[0], NEVER
        # Half the cost of enabled[int(random() * count)]: no float, no multiplication, no global names.
        return enabled[self._draws[count]()], 1


def positions(rng: random.Random, n: int) -> Callable[[], int]:
    """A function that returns independent values, uniform over range(n), from `rng`. n: at least 1."""
    if n > 256:
        return map(rng.randrange, repeat(n)).__next__
    folded, surplus = _byte_map(n)

    def chunk(size: int) -> bytes:
        return rng.randbytes(size).translate(folded, surplus)

    return chain.from_iterable(map(chunk, repeat(CHUNK))).__next__


@cache
def _byte_map(n: int) -> tuple[bytes, bytes]:
    """Per byte its value modulo n, and the bytes that would make low values likelier."""
    return bytes(byte % n for byte in range(256)), bytes(range(256 - 256 % n, 256))


def _never() -> int:
    raise AssertionError("a scheduler is not asked when no task can run")
