"""livelock, unkillable-spin."""

from __future__ import annotations

from oracle_kit import LIMIT, program, simulate

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Patch
from daxfuzz.search import RoundRobin
from daxfuzz.sim import Scheduler, Signal, Stepper

SPINNER = {"syncer": ["fsync(file0)"], "mapper": ["load(file0, 0)"]}
WITH_KILLER = SPINNER | {"killer": ["signal(syncer, SIGKILL)"]}
WITH_TRUNCATOR = SPINNER | {"truncator": ["truncate(file0, 0)"]}


class SpinForEver(Patch):
    """ext4: fsync never returns."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            while True:
                await inode.i_size.read()


class SpinUntilKilled(Patch):
    """ext4: fsync returns only when it is killed."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            while self.k.world.current.signal is not Signal.FATAL:
                await inode.i_size.read()
            return -4


class SpinUntilTruncated(Patch):
    """ext4: fsync polls until the file is empty."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            while await inode.i_size.read():
                pass
            return 0


def run(tasks, patch):
    """The lowest task first until the limit, and then a fair schedule."""
    return Stepper(simulate(program(tasks), patch).world).run(Scheduler(), LIMIT, RoundRobin())


def test_a_call_that_never_ends_is_a_livelock() -> None:
    execution = run(SPINNER, SpinForEver)
    assert execution.violation is not None
    assert (execution.violation.kind, execution.violation.tasks) == ("livelock", ("syncer",))
    assert execution.violation.function == "fsync"


def test_a_call_that_goes_on_after_it_was_killed_is_an_unkillable_spin() -> None:
    execution = run(WITH_KILLER, SpinForEver)
    assert execution.violation is not None
    assert (execution.violation.kind, execution.violation.tasks) == ("unkillable-spin", ("syncer",))


def test_a_spin_that_a_fatal_signal_ends_is_no_finding() -> None:
    execution = run(WITH_KILLER, SpinUntilKilled)
    assert execution.violation is None
    assert len(execution.turns) > LIMIT


def test_a_poll_that_ends_as_soon_as_others_get_their_turn_is_no_finding() -> None:
    execution = run(WITH_TRUNCATOR, SpinUntilTruncated)
    assert execution.violation is None
    assert len(execution.turns) > LIMIT
    assert not execution.exhausted


def test_a_poll_for_what_nobody_does_is_a_livelock() -> None:
    execution = run(SPINNER, SpinUntilTruncated)
    assert execution.violation is not None
    assert execution.violation.kind == "livelock"
