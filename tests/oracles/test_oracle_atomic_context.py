"""sleeping-in-atomic."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.inode import Inode
from daxfuzz.oracles.atomic_context import AtomicContext
from daxfuzz.protocols.patch import Patch
from daxfuzz.sim import TaskState, WaitEntry, wait_event

SYNC = program({"syncer": ["fsync(file0)"]})


class SleepsUnderASpinlock(Patch):
    """ext4: fsync takes i_rwsem with a page-table lock held."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            ptl = self.k.mms[0].ptls[0]
            await ptl.acquire()
            await inode.i_rwsem.down_read()
            await inode.i_rwsem.up_read()
            await ptl.release()
            return 0


class SleepsWithInterruptsOff(Patch):
    """ext4: fsync takes i_rwsem for writing with interrupts off."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            await self.k.interrupts.local_irq_save()
            if await inode.i_rwsem.down_write(killable=True):
                await inode.i_rwsem.up_write()
            await self.k.interrupts.local_irq_restore()
            return 0


class SleepsInARcuSection(Patch):
    """ext4: fsync waits in an RCU read section for something that has happened."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            async def happened() -> bool:
                return True

            queue = self.k.var_waitqueues.bucket(0)
            await self.k.rcu.read_lock()
            await wait_event(queue, WaitEntry(self.k.world.current), happened, TaskState.UNINTERRUPTIBLE)
            await self.k.rcu.read_unlock()
            return 0


class SynchronizesUnderASpinlock(Patch):
    """ext4: fsync waits for a grace period of SRCU with xa_lock held."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            await inode.i_mapping.i_pages.lock.acquire()
            await self.k.dax_srcu.synchronize()
            await inode.i_mapping.i_pages.lock.release()
            return 0


class SleepsWhereItMay(Patch):
    """ext4: fsync sleeps in an SRCU section, under a semaphore, and after all that is atomic has ended."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            ptl = self.k.mms[0].ptls[0]
            await self.k.rcu.read_lock()
            await ptl.acquire()
            await self.k.interrupts.local_irq_save()
            await self.k.interrupts.local_irq_restore()
            await ptl.release()
            await self.k.rcu.read_unlock()
            await self.k.dax_srcu.read_lock()
            await inode.i_rwsem.down_read()
            await inode.i_data_sem.down_write()
            await self.k.rcu.synchronize()
            await inode.i_data_sem.up_write()
            await inode.i_rwsem.up_read()
            await self.k.dax_srcu.read_unlock()
            return 0


@pytest.mark.parametrize(
    ("patch", "channel", "context"),
    [
        (SleepsUnderASpinlock, "i_rwsem", "holding mm0.ptl0"),
        (SleepsWithInterruptsOff, "i_rwsem", "with interrupts off"),
        (SleepsInARcuSection, "var_waitqueue", "in an RCU read section"),
        (SynchronizesUnderASpinlock, "dax_srcu", "holding"),
    ],
)
def test_what_may_sleep_in_an_atomic_context_is_a_finding_though_it_does_not(
    patch: type[Patch], channel: str, context: str
) -> None:
    violation = trip(simulate(SYNC, patch), "sleeping-in-atomic", simple=1, random=0)
    assert violation.channel == channel
    assert violation.function == "fsync"
    assert context in violation.message


def test_the_kernel_goes_on_after_it() -> None:
    sim = simulate(SYNC, SleepsUnderASpinlock)
    (execution,) = executions(sim, simple=1, random=0)
    assert execution.violation is None
    assert [each.kind for each in execution.deferred] == ["sleeping-in-atomic"]
    assert sim.results == [[0]]


def test_it_is_said_once_an_execution_and_again_in_the_next() -> None:
    sim = simulate(program({"syncer": ["fsync(file0)", "fsync(file0)"]}), SleepsUnderASpinlock)
    for _ in range(2):
        (execution,) = executions(sim, simple=1, random=0)
        assert [each.kind for each in execution.deferred] == ["sleeping-in-atomic"]


def test_srcu_semaphores_and_what_has_ended_are_no_atomic_context() -> None:
    two = program({"a": ["fsync(file0)"], "b": ["fsync(file0)"]})
    assert_silent(simulate(two, SleepsWhereItMay, oracles=[AtomicContext]))
