"""lock-order."""

from __future__ import annotations

from random import Random

from oracle_kit import LIMIT, assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.inode import Inode
from daxfuzz.oracles.lock_order import LockOrder
from daxfuzz.program.simulation import Simulation
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


def nesting(*orders: str, subclass: int = 1, gate: bool = False) -> Simulation:
    """Tasks that each take the ext4 locks i_data_sem of two files, the second one with a subclass.

    orders: per task the files of its calls, one letter per lock. gate: the tasks hold another lock all along.
    """

    class TwoInodes(Patch):
        """ext4: fsync of a file takes its lock first and then that of the other one."""

        class ext4(Ext4):
            async def fsync(self, inode: Inode) -> int:
                (other,) = (each for each in self.k.inodes.values() if each is not inode)
                around = self.k.inodes["file0"].i_rwsem
                if gate:
                    await around.down_write()
                await inode.i_data_sem.down_write()
                await other.i_data_sem.down_write(subclass=subclass)
                await other.i_data_sem.up_write()
                await inode.i_data_sem.up_write()
                if gate:
                    await around.up_write()
                return 0

    tasks = {f"t{i}": [f"fsync({file})" for file in files.split()] for i, files in enumerate(orders)}
    return simulate(program(tasks, files={"file0": 1, "file1": 1}), TwoInodes, oracles=[LockOrder])


def test_two_locks_of_one_class_need_a_subclass() -> None:
    violation = trip(nesting("file0", subclass=0), "lock-order", simple=1, random=0)
    assert violation.channel == "i_data_sem"
    assert "takes i_data_sem while it holds i_data_sem" in violation.message


def test_a_subclass_in_one_order_is_no_finding() -> None:
    assert_silent(nesting("file0 file0", "file0"))


def test_a_subclass_does_not_hide_locks_taken_in_both_orders() -> None:
    for sim in (nesting("file0 file1"), nesting("file0", "file1")):
        violation = trip(sim, "lock-order", simple=1, random=0)
        assert violation.channel == "i_data_sem"
        assert "takes file0.i_data_sem while it holds file1.i_data_sem" in violation.message
        assert "file0.i_data_sem -> file1.i_data_sem" in violation.message


def test_both_orders_under_a_lock_that_keeps_others_out_are_no_finding() -> None:
    assert_silent(nesting("file0", "file1", gate=True))


def test_a_subclass_is_a_class_of_its_own_in_the_graph() -> None:
    class Crossed(Patch):
        """ext4: i_rwsem between the two subclasses of i_data_sem, and the other way round."""

        class ext4(Ext4):
            async def fsync(self, inode: Inode) -> int:
                await inode.i_rwsem.down_read()
                await inode.i_data_sem.down_read(subclass=2)
                await inode.i_data_sem.up_read()
                await inode.i_rwsem.up_read()
                await inode.i_data_sem.down_read(subclass=second)
                await inode.i_rwsem.down_read()
                await inode.i_rwsem.up_read()
                await inode.i_data_sem.up_read()
                return 0

    alone = program({"a": ["fsync(file0)"]})
    second = 1
    assert_silent(simulate(program({"a": ["fsync(file0)"], "b": ["fsync(file0)"]}), Crossed, oracles=[LockOrder]))
    second = 2
    violation = trip(simulate(alone, Crossed, oracles=[LockOrder]), "lock-order", simple=1, random=0)
    assert violation.channel == "i_data_sem/2 i_rwsem"


def test_a_pair_seen_with_a_subclass_is_still_new_without() -> None:
    class First(Patch):
        """ext4: the same two locks with the annotation, then without."""

        class ext4(Ext4):
            async def fsync(self, inode: Inode) -> int:
                (other,) = (each for each in self.k.inodes.values() if each is not inode)
                for subclass in (1, 0):
                    await inode.i_data_sem.down_write()
                    await other.i_data_sem.down_write(subclass=subclass)
                    await other.i_data_sem.up_write()
                    await inode.i_data_sem.up_write()
                return 0

    sim = simulate(program({"a": ["fsync(file0)"]}, files={"file0": 1, "file1": 1}), First, oracles=[LockOrder])
    assert "holds i_data_sem" in trip(sim, "lock-order", simple=1, random=0).message
