"""incomplete-freeze."""

from __future__ import annotations

import pytest
from kernel_kit import Steered
from oracle_kit import LIMIT, assert_silent, program, simulate, trip

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.super import Frozen
from daxfuzz.kernel.vfs import Vfs
from daxfuzz.oracles.incomplete_freeze import IncompleteFreeze
from daxfuzz.protocols.patch import Patch
from daxfuzz.sim import Stepper

STORE = program({"mapper": ["store(file0, 0)"], "freezer": ["freeze()", "thaw()"]}, prefault=False)


class FreezeUnsynced(Patch):
    """vfs: Freeze without writing back."""

    class vfs(Vfs):
        async def sync_filesystem(self) -> None:
            return


class FreezeUncommitted(Patch):
    """ext4, xfs: Freeze without a commit."""

    class ext4(Ext4):
        async def sync_fs(self) -> None:
            return

        async def freeze_fs(self) -> None:
            return

    class xfs(Xfs):
        async def sync_fs(self) -> None:
            return

        async def freeze_fs(self) -> None:
            return


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
@pytest.mark.parametrize(
    ("patch", "said"), [(FreezeUnsynced, "file0[0] is not durable"), (FreezeUncommitted, "metadata of file0")]
)
def test_a_freeze_that_leaves_something_in_memory_is_a_finding(filesystem: str, patch: type[Patch], said: str) -> None:
    sim = simulate(STORE, patch, filesystem=filesystem, oracles=[IncompleteFreeze])
    assert said in trip(sim, "incomplete-freeze").message


class FreezeAgain(Patch):
    """vfs: Freeze what is frozen."""

    class vfs(Vfs):
        async def freeze_super(self, complete: Frozen = Frozen.COMPLETE) -> int:
            sb = self.k.sb
            await sb.s_umount.down_write()
            await sb.frozen.write(Frozen.FS)
            await sb.s_umount.up_write()
            return 0


class SyncFirst(Patch):
    """vfs: Write back before write faults have left."""

    class vfs(Vfs):
        async def freeze_super(self, complete: Frozen = Frozen.COMPLETE) -> int:
            sb = self.k.sb
            await sb.s_umount.down_write()
            await sb.frozen.write(Frozen.WRITE)
            await sb.writers.down_write()
            await sb.frozen.write(Frozen.PAGEFAULT)
            await self.sync_filesystem()
            await sb.s_umount.up_write()
            return 0


class WaitForNobody(Patch):
    """vfs: Go to the next level while writers are in."""

    class vfs(Vfs):
        async def freeze_super(self, complete: Frozen = Frozen.COMPLETE) -> int:
            sb = self.k.sb
            await sb.s_umount.down_write()
            await sb.frozen.write(Frozen.WRITE)
            await sb.frozen.write(Frozen.PAGEFAULT)
            await sb.s_umount.up_write()
            return 0


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
@pytest.mark.parametrize(
    ("patch", "said"),
    [(FreezeAgain, "goes from"), (SyncFirst, "syncs before all have left"), (WaitForNobody, "before all have left")],
)
def test_a_freeze_goes_from_level_to_level(filesystem: str, patch: type[Patch], said: str) -> None:
    sim = simulate(STORE, patch, filesystem=filesystem, oracles=[IncompleteFreeze])
    assert said in trip(sim, "incomplete-freeze", simple=20, random=0).message


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_a_freeze_writes_everything(filesystem: str) -> None:
    tasks = {"mapper": ["store(file0, 0)", "truncate(file0, 0)", "write(file0, 0)"], "freezer": ["freeze()", "thaw()"]}
    assert_silent(simulate(program(tasks), filesystem=filesystem))


def test_nothing_is_left_to_write_on_a_file_system_that_is_shut_down() -> None:
    """A punch and a removal during a freeze: the entry goes while the file system is shut down."""
    tasks = {
        "truncator": ["fallocate(file0, PUNCH_HOLE, 0, 1)"],
        "freezer": ["freeze()"],
        "unbinder": ["store(file0, 0)", "unbind()"],
    }
    of = program(tasks, files={"file0": 1, "file1": 1}, clones={"file1": "file0"})
    sim = simulate(of, protocol="refcount-0-fixed", filesystem="xfs")
    played = Steered(
        ("truncator", "+"),
        ("truncator", "xfs_file_fallocate.lock"),
        ("truncator", "+"),
        ("freezer", ""),
        ("unbinder", "collect_procs_fsdax.read"),
        ("unbinder", "+"),
        ("truncator", ""),
        ("unbinder", "kill_dax.write"),
        ("truncator", ""),
        ("freezer", ""),
    )
    assert Stepper(sim.world).run(played, LIMIT).violation is None
    assert sim.kernel.sb.frozen.value is Frozen.COMPLETE
    assert sim.kernel.sb.shutdown.value
