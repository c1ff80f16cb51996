"""incomplete-freeze."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, program, simulate, trip

from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.kernel.fs.xfs import Xfs
from daxfuzz.kernel.vfs import Vfs
from daxfuzz.oracles.incomplete_freeze import IncompleteFreeze
from daxfuzz.protocols.patch import Patch

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


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_a_freeze_writes_everything(filesystem: str) -> None:
    tasks = {"mapper": ["store(file0, 0)", "truncate(file0, 0)", "write(file0, 0)"], "freezer": ["freeze()", "thaw()"]}
    assert_silent(simulate(program(tasks), filesystem=filesystem))
