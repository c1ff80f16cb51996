"""Slices on a Dask cluster of two worker processes, one of which is killed while it is at one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import distributed
import pytest
from campaign_kit import SILENT, told

from daxfuzz.campaign.cluster import ClusterError, DaskCrew
from daxfuzz.campaign.conductor import Conductor, Limits
from daxfuzz.campaign.crew import Seat
from daxfuzz.campaign.directory import Directory, prepared


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
    ) as cluster:
        yield cluster


def pid_of(crew: DaskCrew, address: str) -> int:
    return crew._client.run(os.getpid, workers=[address])[address]


def test_a_worker_is_killed_in_the_middle_of_a_slice(cluster, tmp_path: Path) -> None:
    config = replace(SILENT, slice_seconds=1.0, executions=1_000_000)
    lock = prepared(tmp_path, config)
    crew = DaskCrew(cluster.scheduler_address)
    pids = {address: pid_of(crew, address) for address in crew._here}
    assert len(pids) == 2
    submitted: list[tuple[str, int]] = []
    submit = crew.submit

    def noted(seat: Seat, function, job) -> None:
        submitted.append((seat.name, job.number))
        submit(seat, function, job)

    crew.submit = noted  # type: ignore[method-assign]

    def enough(conductor: Conductor) -> None:
        if conductor.totals.lost and len(submitted) > 5:
            conductor.limits = Limits(0.0)

    conductor = Conductor(Directory(tmp_path), crew, Limits(), enough)

    def kill() -> None:
        end = time.monotonic() + 30
        while len(submitted) < 3 and time.monotonic() < end:
            time.sleep(0.01)
        # The third is at its beginning.
        os.kill(pids[submitted[2][0]], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        conductor.run()
    finally:
        killer.join()
        crew.stop()
        lock.release()
    address, number = submitted[2]
    assert any(f"worker {address} died in slice {number}" in line for line in told(conductor))
    assert [each for _, each in submitted].count(number) == 2, "it is done again"
    lines = [line for _, line in Directory(tmp_path).stats.lines() if line["event"] == "slice"]
    numbers = [line["n"] for line in lines]
    assert sorted(numbers) == sorted(set(numbers))
    assert set(numbers) == {each for _, each in submitted}, "nothing is lost"
    assert conductor.totals.lost == 1
    again = Directory(tmp_path)
    assert (again.totals.whole.executions, again.totals.whole.steps) == (
        conductor.totals.whole.executions,
        conductor.totals.whole.steps,
    )
    assert sum(len(corpus.entries) for corpus in again.corpora.values()) == again.totals.whole.inputs


def test_workers_with_other_code_do_not_join(cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("daxfuzz.campaign.cluster.version", lambda: "another")
    monkeypatch.setattr("daxfuzz.campaign.cluster.JOIN", 1.0)
    with pytest.raises(ClusterError, match="workers have other code than this daxfuzz"):
        DaskCrew(cluster.scheduler_address, said.append)
    assert said
    assert all("install the same code" in line for line in said)


def test_where_no_scheduler_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daxfuzz.campaign.cluster.JOIN", 1.0)
    with pytest.raises(ClusterError, match="no Dask scheduler answers"):
        DaskCrew("tcp://127.0.0.1:9")
