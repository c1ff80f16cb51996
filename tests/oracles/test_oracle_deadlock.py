"""deadlock; self-deadlock comes from sim, at the acquisition."""

from __future__ import annotations

from oracle_kit import assert_silent, found, program, simulate, trip

from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.entry import EMPTY, Entry
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.inode import AddressSpace, Inode
from daxfuzz.kernel.mm import Mm
from daxfuzz.kernel.page import Page
from daxfuzz.kernel.truncate import Truncate
from daxfuzz.kernel.xarray import XaState
from daxfuzz.oracles.deadlock import Deadlock
from daxfuzz.oracles.hang import peek
from daxfuzz.protocols.patch import Patch

SYNC = program({"syncer": ["fsync(file0)"], "truncator": ["truncate(file0, 0)"]})
FAULTS = program({"mapper": ["store(file0, 0)"], "mapper1": ["store(file0, 0)"]}, prefault=False)


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


class SyncInTruncate(Patch):
    """ext4: Truncation takes i_rwsem, which it holds already."""

    class ext4(Ext4):
        async def setattr_size(self, inode: Inode, size: int) -> int:
            await inode.i_rwsem.down_write()
            error = await super().setattr_size(inode, size)
            await inode.i_rwsem.up_write()
            return error


class LockTwiceShared(Patch):
    """ext4: fsync takes i_rwsem shared, twice."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            await inode.i_rwsem.down_read()
            await inode.i_rwsem.down_read()
            error = await super().fsync(inode)
            await inode.i_rwsem.up_read()
            await inode.i_rwsem.up_read()
            return error


class KeepEntriesLocked(Patch):
    """dax: Do not unlock entries."""

    class dax(Dax):
        async def dax_unlock_entry(self, mapping: AddressSpace, xas: XaState, entry: Entry) -> None:
            return


class SleepInSync(Patch):
    """ext4: fsync waits for an entry that nobody unlocks."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            await inode.i_rwsem.down_write()
            queue, _ = self.k.dax.dax_entry_waitqueue(inode.i_mapping, 0, EMPTY)
            await self.k.pgmap.done.wait()
            await inode.i_rwsem.up_write()
            return int(queue.name == "")


class KeepEntries(Patch):
    """vfs: An eviction leaves the entries behind."""

    class truncate(Truncate):
        async def truncate_inode_pages_final(self, mapping: AddressSpace) -> None:
            return None


class KeepPagemap(Patch):
    """mm/gup: The reference of the page map is never dropped."""

    class gup(Gup):
        async def _get_user_pages(self, mm: Mm, addresses: range, flags: int) -> list[Page] | int:
            await self.k.memremap.get_dev_pagemap(0, None)
            return await super()._get_user_pages(mm, addresses, flags)


def test_two_tasks_that_hold_what_the_other_waits_for_are_deadlocked() -> None:
    violation = trip(simulate(SYNC, SyncInTheOtherOrder), "deadlock")
    assert violation.channel == "i_rwsem invalidate_lock"
    assert set(violation.tasks) == {"syncer", "truncator"}
    assert "wait for each other" in violation.message
    assert_silent(simulate(SYNC))


def test_a_lock_taken_twice_is_a_self_deadlock_at_the_acquisition() -> None:
    violation = trip(simulate(SYNC, SyncInTruncate), "self-deadlock", simple=1, random=0)
    assert (violation.function, violation.channel) == ("setattr_size", "i_rwsem")


def test_a_lock_taken_shared_twice_deadlocks_only_behind_a_writer() -> None:
    violation = trip(simulate(SYNC, LockTwiceShared), "self-deadlock")
    assert (violation.function, violation.channel) == ("fsync", "i_rwsem")
    alone = program({"syncer": ["fsync(file0)"], "mapper": ["load(file0, 0)"]})
    assert found(simulate(alone, LockTwiceShared), "self-deadlock") is None


def test_a_wait_for_what_nobody_will_do_is_a_deadlock() -> None:
    violation = trip(simulate(SYNC, SleepInSync), "deadlock", random=0)
    assert "nobody will do" in violation.message
    assert "i_rwsem" in violation.channel


def test_a_wait_for_an_entry_whose_locker_has_gone_is_a_deadlock() -> None:
    violation = trip(simulate(FAULTS, KeepEntriesLocked, oracles=[Deadlock]), "deadlock", simple=1, random=0)
    assert violation.channel == "dax_entry"
    assert_silent(simulate(FAULTS))


def test_a_wait_for_an_eviction_ends_with_what_that_waits_for() -> None:
    # The eviction waits for a page that its own task holds: user space has to put it.
    tasks = {"pinner": ["unlink(file0)", "r0 = get_user_pages_fast(file0, 1)", "munmap(file0)"], "b": ["unbind()"]}
    sim = simulate(program(tasks, files={"file0": 2}), protocol="refcount-1-fixed")
    assert_silent(sim)


def test_a_wait_for_the_first_page_is_none_for_the_first_inode() -> None:
    of = program({"pinner": ["r0 = pin_user_pages(file0, 0)"], "truncator": ["truncate(file0, 0)"]})
    assert_silent(simulate(of, protocol="pin-wait-fixed"))


def test_a_wait_for_an_eviction_that_nobody_makes_is_a_deadlock() -> None:
    of = program({"a": ["load(file0, 0)", "unlink(file0)", "munmap(file0)", "unbind()"]})
    violation = trip(
        simulate(of, KeepEntries, protocol="refcount-1-fixed", oracles=[Deadlock]), "deadlock", simple=1, random=0
    )
    assert violation.channel == "eviction"


def test_a_removal_that_waits_for_a_call_ends_with_what_that_waits_for() -> None:
    # get_user_pages holds the page map while its second fault waits for the file system to be thawed.
    tasks = {"pinner": ["r0 = pin_user_pages(file0, 0, 2)"], "unbinder": ["freeze()", "unbind()"]}
    assert_silent(simulate(program(tasks, files={"file0": 2}), protocol="refcount-1-fixed"))


def test_a_removal_that_waits_for_what_nobody_holds_is_a_deadlock() -> None:
    of = program({"pinner": ["r0 = pin_user_pages(file0, 0)", "unpin_user_pages(r0)"], "unbinder": ["unbind()"]})
    violation = trip(simulate(of, KeepPagemap, protocol="refcount-1-fixed", oracles=[Deadlock]), "deadlock", random=0)
    assert violation.channel == "pgmap.done"


def test_a_condition_of_a_wait_may_be_a_primitive_of_the_simulation() -> None:
    sim = simulate(program({"a": ["load(file0, 0)"]}))
    size = sim.kernel.inodes["file0"].i_size
    sim.world.current = sim.world.tasks[0]
    assert peek(size.read, sim)
    size.value = 0
    assert not peek(size.read, sim)
