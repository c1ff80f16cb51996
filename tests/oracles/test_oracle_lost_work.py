"""lost-work."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.fs.fuse_dax import FuseDax
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.oracles.deadlock import Deadlock
from daxfuzz.oracles.lost_work import LostWork
from daxfuzz.program.case import Program
from daxfuzz.protocols.patch import Patch

FILES = {"file0": 2, "file1": 2}
WINDOW = program(
    {"mapper": ["store(file0, 0)"], "writer": ["write(file1, 0)"]}, files=FILES, prefault=False, window_ranges=1
)
RUNS = program(
    {"worker": ["fuse_dax_free_mem_worker()"], "other": ["fuse_dax_free_mem_worker()"], "user": ["write(file0, 0)"]},
    window_ranges=1,
)
GONE = program({"remover": ["unlink(file0)", "munmap(file0)", "close(file0)"], "freezer": ["freeze()", "thaw()"]})


class NoKick(Patch):
    """fuse: Do not queue the worker that frees ranges."""

    class fuse_dax(FuseDax):
        async def _kick_dmap_free_worker(self) -> None:
            return


class FreesNothing(Patch):
    """fuse: Have the worker find no range that it could free."""

    class fuse_dax(FuseDax):
        async def try_to_free_dmap_chunks(self, count: int) -> int:
            return 0


class StaysStopped(Patch):
    """xfs: Do not start the worker that frees blocks when the file system is thawed."""

    class xfs(Xfs):
        async def unfreeze_fs(self) -> None:
            return


def test_a_worker_that_nobody_queues_is_a_finding() -> None:
    violation = trip(simulate(WINDOW, NoKick, filesystem="fuse"), "lost-work")
    assert "0 ranges are free, and nobody has queued the worker" in violation.message


def test_who_waits_for_a_range_cannot_rely_on_a_worker_that_is_not_queued() -> None:
    assert "free_range" in trip(simulate(WINDOW, NoKick, filesystem="fuse", oracles=[Deadlock]), "deadlock").message


def test_a_range_that_a_run_leaves_is_a_finding() -> None:
    sim = simulate(RUNS, FreesNothing, filesystem="fuse", oracles=[LostWork])
    assert "worker leaves dmap0 in file0, and nobody uses it" in trip(sim, "lost-work", simple=1, random=0).message


def test_a_worker_that_stays_stopped_is_a_finding() -> None:
    violation = trip(simulate(GONE, StaysStopped, filesystem="xfs"), "lost-work")
    assert "nobody has started the worker" in violation.message


@pytest.mark.parametrize(("of", "filesystem"), [(WINDOW, "fuse"), (RUNS, "fuse"), (GONE, "xfs"), (GONE, "ext4")])
def test_workers_are_queued_when_there_is_work(of: Program, filesystem: str) -> None:
    assert_silent(simulate(of, filesystem=filesystem))
