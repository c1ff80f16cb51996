"""Workers on other machines: a Dask cluster, which somebody has started with Dask's own tools."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from daxfuzz.campaign.crew import Outcome, Seat
from daxfuzz.campaign.worker import VersionMismatch, check_version
from daxfuzz.engines.code_version import version

JOIN = 30.0
"""Seconds to wait for the scheduler, and for the first worker."""

LOOK = 1.0
"""Seconds between two looks at which workers there are."""

POLL = 0.05


class ClusterError(Exception):
    """A cluster that cannot be used. One line."""


class DaskCrew:
    """The workers of a Dask cluster, each of which gets one job at a time.

    Workers may come and go. A job is for one worker, since that one knows a part of the corpus; if it has died, its
    job is lost, and who has given it gives it to another one. The same code is needed everywhere: who has another
    version is told at joining, and gets no work.

    address: of the scheduler, such as tcp://10.0.0.1:8786. told: takes what a reader should know.
    Raises ClusterError.
    """

    def __init__(self, address: str, told: Callable[[str], None] = lambda text: None) -> None:
        self._client: Any = connected(address)
        self._told = told
        self._version = version()
        self._here: dict[str, Seat] = {}
        self._retired: set[str] = set()
        self._running: dict[Seat, Any] = {}
        self._looked = 0.0
        self._wait_for_one(address)

    def _wait_for_one(self, address: str) -> None:
        end = time.monotonic() + JOIN
        while not self._look() and time.monotonic() < end:
            time.sleep(POLL)
        if not self._here:
            self.stop()
            why = "have other code than this daxfuzz" if self._retired else "are not there"
            raise ClusterError(f"{address}: workers {why}; start some with: dask worker {address} --nthreads 1")

    def _look(self) -> bool:
        """See who is there; whether anybody is."""
        self._looked = time.monotonic()
        addresses = set(self._client.scheduler_info(n_workers=-1)["workers"])
        for address in sorted(addresses - set(self._here) - self._retired):
            self._join(address)
        for address in set(self._here) - addresses:
            del self._here[address]
        return bool(self._here)

    def _join(self, address: str) -> None:
        """Take in a worker that has this code."""
        try:
            self._client.run(check_version, self._version, workers=[address])
        except VersionMismatch as error:
            self._retired.add(address)
            self._told(f"worker {address} gets no work: {error}")
        except Exception as error:
            # It has gone again, or has no daxfuzz that could be asked.
            if address in self._client.scheduler_info(n_workers=-1)["workers"]:
                self._retired.add(address)
                self._told(f"worker {address} gets no work: {type(error).__name__}: {error}")
        else:
            self._here[address] = Seat(address)

    def seats(self) -> list[Seat]:
        """The workers that are there now."""
        if time.monotonic() - self._looked >= LOOK:
            self._look()
        return list(self._here.values())

    def submit(self, seat: Seat, function: Callable[[Any], Any], job: object) -> None:
        """Send a job to a worker."""
        self._running[seat] = self._client.submit(
            function, job, workers=[seat.name], allow_other_workers=False, pure=False, retries=0
        )

    def outcomes(self, timeout: float) -> list[Outcome]:
        """What has ended, also because its worker has died."""
        end = time.monotonic() + timeout
        while True:
            if time.monotonic() - self._looked >= LOOK:
                self._look()
            done = [seat for seat, future in self._running.items() if future.done() or seat.name not in self._here]
            if done or time.monotonic() >= end:
                return [self._outcome(seat, self._running.pop(seat)) for seat in done]
            time.sleep(POLL)

    def _outcome(self, seat: Seat, future: Any) -> Outcome:
        # What a worker has returned is gone with it, unless it is here already.
        if seat.name not in self._here or future.status in ("cancelled", "lost"):
            future.cancel()
            return Outcome(seat, lost=True)
        error = future.exception()
        if error is None:
            return Outcome(seat, future.result())
        if type(error).__name__ == "KilledWorker":
            return Outcome(seat, lost=True)
        return Outcome(seat, error=error if isinstance(error, Exception) else RuntimeError(str(error)))

    def retire(self, seat: Seat) -> None:
        """Give a worker no more work."""
        self._retired.add(seat.name)
        self._here.pop(seat.name, None)

    def stop(self) -> None:
        """Take back all jobs and let go of the cluster, which goes on."""
        for future in self._running.values():
            future.cancel()
        self._running.clear()
        self._client.close()


def connected(address: str) -> Any:
    """A distributed.Client of a scheduler. Raises ClusterError."""
    try:
        from distributed import Client
    except ImportError:
        raise ClusterError("--cluster needs dask.distributed: pip install 'daxfuzz[cluster]'") from None
    try:
        client: Any = Client(address, timeout=JOIN, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ClusterError(f"{address}: no Dask scheduler answers: {error}") from None
    try:
        client.get_versions(check=True)
    except ValueError as error:
        client.close()
        raise ClusterError(f"{address}: {error}") from None
    return client
