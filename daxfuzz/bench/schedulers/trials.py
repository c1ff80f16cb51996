"""How many schedules a scheduler needs to the first bug of a program, again and again.

Trials are independent, so that processes share them out and an interrupted measurement goes on where it stopped.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from functools import cache
from typing import Any

from daxfuzz.bench.schedulers.programs import PROGRAMS
from daxfuzz.bench.schedulers.strategies import CONTESTANTS
from daxfuzz.sim import Execution, Stepper


@dataclass(frozen=True, slots=True)
class Trial:
    """One to be made. executions: its limit."""

    program: str
    strategy: str
    seed: int
    executions: int

    @property
    def key(self) -> str:
        """Tells it from all others."""
        return f"{self.program}/{self.strategy}/{self.seed}/{self.executions}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one.

    executions: up to and with the one that showed the bug, else the limit.
    seconds: of processor time.
    """

    executions: int
    found: bool
    seconds: float

    @classmethod
    def from_json(cls, fields: Any) -> Outcome:
        """What dataclasses.asdict and JSON have made of one. Raises ValueError for anything else."""
        match fields:
            case {"executions": int() as executions, "found": bool() as found, "seconds": float() as seconds}:
                return cls(executions, found, seconds)
        raise ValueError(f"no trial: {fields!r}")


def trials(
    programs: Sequence[str], strategies: Sequence[str], seeds: Iterable[int], executions: int
) -> Iterator[Trial]:
    """Every program with every strategy and seed. All programs with a seed in turn, so that a measurement that is
    stopped has seen something of each."""
    for seed in seeds:
        for program in programs:
            for strategy in strategies:
                yield Trial(program, strategy, seed, executions)


def run_trial(wanted: Trial) -> Outcome:
    """Make one, in the calling process."""
    started = time.process_time()
    host = host_of(wanted.program)
    scheduler = CONTESTANTS[wanted.strategy].make(random.Random(wanted.key))
    for execution in range(1, wanted.executions + 1):
        if is_buggy(host.run(scheduler)):
            return Outcome(execution, True, time.process_time() - started)
    return Outcome(wanted.executions, False, time.process_time() - started)


def run_all(pool: Executor, wanted: Iterable[Trial]) -> Iterator[tuple[Trial, Outcome]]:
    """Make trials in the processes of a pool; each as soon as it is done."""
    started = {pool.submit(run_trial, each): each for each in wanted}
    for future in as_completed(started):
        yield started[future], future.result()


@cache
def host_of(program: str) -> Stepper:
    """One world serves all trials of a program."""
    return Stepper(PROGRAMS[program]())


def is_buggy(execution: Execution) -> bool:
    """Whether an assertion failed or threads are deadlocked."""
    return execution.violation is not None or bool(execution.stuck)
