"""lock-held."""

from __future__ import annotations

from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.dax_fault import DaxFault
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.gup import Gup
from daxfuzz.kernel.inode import Inode
from daxfuzz.kernel.mm import Mm
from daxfuzz.kernel.page import Page
from daxfuzz.protocols.patch import Patch

SYNC = program({"syncer": ["fsync(file0)"], "mapper": ["store(file0, 0)"]})
GET = program({"getter": ["r0 = get_user_pages_fast(file0, 0)", "put_page(r0)"], "mapper": ["load(file0, 0)"]})
INTERRUPTED = program(
    {"pinner": ["r0 = pin_user_pages(file0, 0)", "signal(truncator, SIGKILL)"], "truncator": ["truncate(file0, 0)"]}
)


class KeepTheLock(Patch):
    """ext4: fsync takes i_rwsem and keeps it."""

    class ext4(Ext4):
        async def fsync(self, inode: Inode) -> int:
            await inode.i_rwsem.down_read()
            return await super().fsync(inode)


class LeaveInterruptsOff(Patch):
    """gup: Do not turn interrupts on after the lockless walk."""

    class gup(Gup):
        async def lockless_pages_from_mm(self, mm: Mm, addresses: range, flags: int) -> list[Page]:
            await self.k.interrupts.local_irq_save()
            return await super().lockless_pages_from_mm(mm, addresses, flags)


class KeepTheLockWhenInterrupted(Patch):
    """ext4: Truncation that is interrupted forgets invalidate_lock."""

    class ext4(Ext4):
        async def setattr_size(self, inode: Inode, size: int) -> int:
            await inode.i_mapping.invalidate_lock.down_write()
            error = await self.ext4_break_layouts(inode)
            if error:
                return error
            await inode.i_mapping.invalidate_lock.up_write()
            return await super().setattr_size(inode, size)


def test_a_call_that_returns_with_a_lock_is_a_finding() -> None:
    violation = trip(simulate(SYNC, KeepTheLock), "lock-held", simple=1, random=0)
    assert violation.message == "fsync(file0) returns with file0.i_rwsem held"
    assert violation.channel == "i_rwsem"
    assert_silent(simulate(SYNC))


def test_a_call_that_returns_with_interrupts_off_is_a_finding() -> None:
    violation = trip(simulate(GET, LeaveInterruptsOff), "lock-held", simple=1, random=0)
    assert "interrupts off" in violation.message
    assert_silent(simulate(GET))


def test_a_lock_kept_on_the_way_out_of_an_interrupted_wait_is_a_finding() -> None:
    violation = trip(simulate(INTERRUPTED, KeepTheLockWhenInterrupted), "lock-held")
    assert violation.channel == "invalidate_lock"
    assert_silent(simulate(INTERRUPTED))


class StayInTheSection(Patch):
    """dax: Do not end the section of dax_srcu."""

    class dax_fault(DaxFault):
        async def dax_iomap_direct_access(self, block: int, pages: int) -> int | None:
            await self.k.dax_srcu.read_lock()
            return block if await self.k.dax_alive.read() else None


def test_a_section_that_is_not_ended_is_a_finding() -> None:
    fault = program({"mapper": ["store(file0, 0)"]}, prefault=False)
    violation = trip(simulate(fault, StayInTheSection), "lock-held", simple=1, random=0)
    assert violation.message == "store(file0, 0) returns inside a section of dax_srcu"
