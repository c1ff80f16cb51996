"""lock-order."""

from __future__ import annotations

from random import Random

from oracle_kit import LIMIT, assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.inode import Inode
from daxfuzz.oracles.lock_order import LockOrder
from daxfuzz.protocols.patch import Patch
from daxfuzz.search import RandomWalk
from daxfuzz.sim import Stepper

ONE_AFTER_THE_OTHER = program({"syncer": ["fsync(file0)", "truncate(file0, 0)"]})


class SyncInTheOtherOrder(Patch):
    """ext4: fsync takes invalidate_lock and then i_rwsem."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            await inode.i_mapping.invalidate_lock.down_read()
            await inode.i_rwsem.down_read()
            error = await super().fsync(inode)
            await inode.i_rwsem.up_read()
            await inode.i_mapping.invalidate_lock.up_read()
            return error


class SyncAsTheSizeSays(Patch):
    """ext4: fsync nests two locks in an order that depends on the size of the other file."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            locks = [inode.i_data_sem, inode.i_mapping.i_mmap_rwsem]
            if await self.k.inodes["file1"].i_size.read():
                locks.reverse()
            for lock in locks:
                await lock.down_read()
            for lock in reversed(locks):
                await lock.up_read()
            return 0


def by_size(*syncs: str) -> object:
    tasks = {"syncer": list(syncs), "truncator": ["truncate(file1, 0)"]}
    return program(tasks, files={"file0": 1, "file1": 1})


def test_both_orders_in_one_run_that_goes_well_are_a_finding() -> None:
    violation = trip(simulate(ONE_AFTER_THE_OTHER, SyncInTheOtherOrder), "lock-order", simple=1, random=0)
    assert violation.channel == "i_rwsem invalidate_lock"
    assert violation.function == "ext4_setattr"


def test_a_lock_order_finding_does_not_end_the_execution() -> None:
    sim = simulate(ONE_AFTER_THE_OTHER, SyncInTheOtherOrder)
    (execution,) = executions(sim, simple=1, random=0)
    assert execution.violation is None
    assert [each.kind for each in execution.deferred] == ["lock-order"]
    assert sim.results == [[0, 0]]


def test_one_cycle_is_reported_once_an_execution_and_again_in_the_next() -> None:
    twice = program({"a": ["fsync(file0)", "truncate(file0, 0)", "fsync(file0)", "truncate(file0, 0)"]})
    sim = simulate(twice, SyncInTheOtherOrder)
    for _ in range(2):
        (execution,) = executions(sim, simple=1, random=0)
        assert [each.kind for each in execution.deferred] == ["lock-order"]


def test_the_kernels_own_orders_have_no_cycle() -> None:
    assert_silent(simulate(ONE_AFTER_THE_OTHER))
    crowd = {
        "mapper": ["store(file0, 0)", "munmap(file0)", "mmap(file0)"],
        "syncer": ["fsync(file0)"],
        "truncator": ["truncate(file0, 0)", "fallocate(file0, PUNCH_HOLE, 0, 1)"],
        "pinner": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"],
    }
    assert_silent(simulate(program(crowd, prefault=False), oracles=[LockOrder]))


def test_orders_of_different_executions_are_not_mixed() -> None:
    # Each execution takes the two locks in one order only; which one depends on the schedule.
    sim = simulate(by_size("fsync(file0)"), SyncAsTheSizeSays, oracles=[LockOrder])
    assert_silent(sim)
    (oracle,) = (hook.__self__ for hook in sim.world.on_reset if isinstance(getattr(hook, "__self__", None), LockOrder))
    assert oracle.ever_cyclic


def test_the_filter_over_all_executions_hides_no_later_cycle() -> None:
    sim = simulate(by_size("fsync(file0)", "fsync(file0)"), SyncAsTheSizeSays, oracles=[LockOrder])
    host = Stepper(sim.world)
    clean = cyclic = 0
    for seed in range(100):
        execution = host.run(RandomWalk(Random(seed)), LIMIT)
        orders = set()
        held: list[str] = []
        for step in execution.steps():
            name = step.point.object.name
            if step.task == 0 and name in ("file0.i_data_sem", "file0.i_mmap_rwsem") and step.point.verb == "lock":
                held.append(name)
        orders = {tuple(held[:2]), tuple(held[2:])}
        assert bool(execution.deferred) == (len(orders) == 2)
        clean += len(orders) == 1
        cyclic += len(orders) == 2
    assert clean
    assert cyclic
