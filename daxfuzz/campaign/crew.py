"""Who works: processes of this machine, or whatever else takes one job at a time."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Protocol

from daxfuzz.engines.worker_process import start_worker


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one job at a time runs. life: another process has another one; what it knew is gone."""

    name: str
    life: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job: a result, what it has raised, or neither if its worker has died."""

    seat: Seat
    result: Any = None
    error: Exception | None = None
    lost: bool = False


class Crew(Protocol):
    """Workers."""

    def seats(self) -> list[Seat]:
        """All seats that there are now, also those that are busy."""

    def submit(self, seat: Seat, function: Callable[[Any], Any], job: object) -> None:
        """Start a job in a seat that is free."""

    def outcomes(self, timeout: float) -> list[Outcome]:
        """What has ended since; waits up to so many seconds for the first."""

    def retire(self, seat: Seat) -> None:
        """Give a seat no more work."""

    def stop(self) -> None:
        """End all workers, whatever they are at."""


class LocalCrew:
    """Processes of this machine, each with a pool of its own, so that one that dies takes no other with it.

    count: 0 for one per core.
    """

    def __init__(self, count: int = 0) -> None:
        number = count or len(os.sched_getaffinity(0))
        self._context = multiprocessing.get_context("spawn")
        self._pools: dict[Seat, ProcessPoolExecutor] = {}
        self._running: dict[Future[Any], Seat] = {}
        for index in range(number):
            self._open(Seat(f"w{index}"))

    def _open(self, seat: Seat) -> None:
        self._pools[seat] = ProcessPoolExecutor(1, self._context, start_worker)

    def seats(self) -> list[Seat]:
        """All workers."""
        return list(self._pools)

    def submit(self, seat: Seat, function: Callable[[Any], Any], job: object) -> None:
        """Start a job in a process that is free."""
        try:
            self._running[self._pools[seat].submit(function, job)] = seat
        except BrokenProcessPool as error:
            # It has died between two jobs.
            future: Future[Any] = Future()
            future.set_exception(error)
            self._running[future] = seat

    def outcomes(self, timeout: float) -> list[Outcome]:
        """What has ended."""
        done, _ = wait(self._running, timeout, FIRST_COMPLETED)
        return [self._outcome(future, self._running.pop(future)) for future in done]

    def _outcome(self, future: Future[Any], seat: Seat) -> Outcome:
        error = future.exception()
        if isinstance(error, BrokenProcessPool):
            self.retire(seat)
            self._open(Seat(seat.name, seat.life + 1))
            return Outcome(seat, lost=True)
        if error is None:
            return Outcome(seat, future.result())
        if isinstance(error, Exception):
            return Outcome(seat, error=error)
        raise error

    def retire(self, seat: Seat) -> None:
        """Let a process end when it has done what it is at."""
        pool = self._pools.pop(seat, None)
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """End all processes."""
        for seat in list(self._pools):
            self.retire(seat)
        for process in multiprocessing.active_children():
            process.terminate()
        self._running.clear()
