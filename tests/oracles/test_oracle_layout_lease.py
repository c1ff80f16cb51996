"""leased-layout."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.inode import Inode
from daxfuzz.protocols.patch import Patch

FILES = {"file0": 1, "file1": 1}
CHANGES = [
    ("truncate(file0, 0)", True),
    ("fallocate(file0, PUNCH_HOLE, 0, 1)", True),
    ("write(file0, 0)", False),
    ("reflink(file0, 0, file1, 0, 1)", True),
    ("reflink(file1, 0, file0, 0, 1)", True),
]


class ChangeUnderLease(Patch):
    """xfs: Call no leases back."""

    class xfs(Xfs):
        async def break_layout(self, inode: Inode, wait: bool) -> int:
            return 0


class KeepIolock(Patch):
    """xfs: Wait for leases with IOLOCK held."""

    class xfs(Xfs):
        async def xfs_wait_leased_layout(self, inode: Inode, mmaplock: bool) -> int:
            await inode.i_mapping.invalidate_lock.up_write()
            error = await self.break_layout(inode, wait=True)
            await inode.i_mapping.invalidate_lock.down_write()
            return error


class KeepMmaplock(Patch):
    """xfs: Wait for leases with MMAPLOCK held."""

    class xfs(Xfs):
        async def xfs_wait_leased_layout(self, inode: Inode, mmaplock: bool) -> int:
            await inode.i_rwsem.up_write()
            error = await self.break_layout(inode, wait=True)
            await inode.i_rwsem.down_write()
            return error


@pytest.mark.parametrize(("change", "prefault"), CHANGES)
def test_a_change_under_a_lease_is_a_finding(change: str, prefault: bool) -> None:
    of = program({"server": ["lease(file0)"], "changer": [change]}, files=FILES, prefault=prefault)
    violation = trip(simulate(of, ChangeUnderLease, filesystem="xfs"), "leased-layout")
    assert "although a client has a lease of its layout" in violation.message


@pytest.mark.parametrize(("keep", "said"), [(KeepIolock, "file0.i_rwsem"), (KeepMmaplock, "file0.invalidate_lock")])
def test_a_wait_for_a_lease_with_locks_that_the_client_may_need_is_a_finding(keep: type[Patch], said: str) -> None:
    of = program({"server": ["lease(file0)", "unlease(file0)"], "changer": ["truncate(file0, 0)"]})
    violation = trip(simulate(of, keep, filesystem="xfs"), "leased-layout")
    assert f"waits for a lease of file0 with {said} held" in violation.message


@pytest.mark.parametrize(("change", "prefault"), CHANGES)
def test_changes_wait_for_leases_and_leases_may_come_meanwhile(change: str, prefault: bool) -> None:
    calls = ["lease(file0)", "unlease(file0)", "lease(file0)", "unlease(file0)"]
    of = program({"server": calls, "changer": [change]}, files=FILES, prefault=prefault)
    assert_silent(simulate(of, filesystem="xfs"))


def test_faults_and_other_file_systems_know_no_leases() -> None:
    tasks = {"server": ["lease(file0)"], "mapper": ["store(file0, 0)", "munmap(file0)"]}
    assert_silent(simulate(program(tasks, prefault=False), filesystem="xfs"))
    tasks = {"server": ["lease(file0)"], "changer": ["truncate(file0, 0)"]}
    assert_silent(simulate(program(tasks), filesystem="ext4"))
